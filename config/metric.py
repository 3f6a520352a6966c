"""One row of what a process counts, and the counter, gauge or histogram made from it.

In: a row, and the registry of the process that counts. Out: what is counted with. The rows themselves stand
with the room that counts them (``flows/metrics.py``, ``gateway/metrics.py``). The registry refuses a second
metric of the same name with ``ValueError``.
"""

from typing import Literal

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metric(msgspec.Struct, frozen=True):
    """One row: full name, kind, what it says, its labels, and for histograms the buckets in seconds."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    says: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


def counter(metric: Metric, registry: CollectorRegistry) -> Counter:
    """A counter at 0 in ``registry``."""
    return Counter(metric.name, metric.says, metric.labels, registry=registry)


def gauge(metric: Metric, registry: CollectorRegistry) -> Gauge:
    """A gauge at 0 in ``registry``."""
    return Gauge(metric.name, metric.says, metric.labels, registry=registry)


def histogram(metric: Metric, registry: CollectorRegistry) -> Histogram:
    """An empty histogram in ``registry``, with the row's buckets."""
    return Histogram(metric.name, metric.says, metric.labels, registry=registry, buckets=metric.buckets)
