"""One row of what a process counts, and the counter, gauge or histogram made from it.

In: a row, and the registry of the process that counts. Out: what is counted with. The rows themselves stand
with the room that counts them (``flows/metrics/engine.py``, ``gateway/runtime/metrics.py``). The registry refuses a
second metric of the same name with ``ValueError``.

Prometheus sees no increase in a counter whose first sample is already 1: labels whose values are known beforehand
are served as 0 from the start, so that the first refusal of a kind is a rise that rules and panels see.
"""

from typing import Final, Literal

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

PROCESS_METRICS: Final = {
    "process_cpu_seconds_total": "Processor time used.",
    "process_resident_memory_bytes": "Memory in use.",
    "process_start_time_seconds": "When the process began, in seconds since 1970.",
    "process_open_fds": "Open files and sockets.",
    "process_max_fds": "How many it may open.",
    "process_virtual_memory_bytes": "Address space; no measure of memory.",
}
"""What every process of ours serves beside its own table, under the names that all Prometheus clients use."""


class Metric(msgspec.Struct, frozen=True):
    """One row: full name, kind, what it says, its labels, and for histograms the buckets in seconds.

    ``known``: values of the labels, in their order, that are served as 0 from the start.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    says: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    known: tuple[tuple[str, ...], ...] = ()


def counter(metric: Metric, registry: CollectorRegistry) -> Counter:
    """A counter at 0 in ``registry``."""
    made = Counter(metric.name, metric.says, metric.labels, registry=registry)
    for values in metric.known:
        made.labels(*values)
    return made


def gauge(metric: Metric, registry: CollectorRegistry) -> Gauge:
    """A gauge at 0 in ``registry``."""
    made = Gauge(metric.name, metric.says, metric.labels, registry=registry)
    for values in metric.known:
        made.labels(*values)
    return made


def histogram(metric: Metric, registry: CollectorRegistry) -> Histogram:
    """An empty histogram in ``registry``, with the row's buckets."""
    return Histogram(metric.name, metric.says, metric.labels, registry=registry, buckets=metric.buckets)


def process_metrics(registry: CollectorRegistry) -> None:
    """Adds processor time, memory, open files and the start of this process: ``PROCESS_METRICS``."""
    ProcessCollector(registry=registry)


def one_label(*values: str) -> tuple[tuple[str, ...], ...]:
    """``known`` of a metric with one label."""
    return tuple((value,) for value in values)
