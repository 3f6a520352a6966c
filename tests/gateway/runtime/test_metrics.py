import re

import pytest

from config.metric import PROCESS_METRICS, Metric
from gateway.push.prometheus_meter import PrometheusMeter
from gateway.runtime.metrics import TABLE, GatewayMetrics

UNITS = {"histogram": ("_seconds", "_bytes"), "counter": ("_total",)}


@pytest.mark.parametrize("metric", TABLE, ids=lambda metric: metric.name)
def test_names_follow_the_conventions(metric: Metric) -> None:
    assert re.fullmatch(r"zhiyin_[a-z_]+", metric.name)
    assert metric.name.endswith(UNITS.get(metric.kind, ("",)))
    assert bool(metric.buckets) == (metric.kind == "histogram")
    assert not {"customer", "transaction", "desk", "hint"} & set(metric.labels)


def test_every_row_becomes_one_metric_and_nothing_else() -> None:
    families = {family.name for family in GatewayMetrics().registry.collect()}
    assert families == {name.removesuffix("_total") for name in (*PROCESS_METRICS, *(metric.name for metric in TABLE))}


def test_close_codes_and_kinds_are_there_before_their_first_time() -> None:
    registry = GatewayMetrics().registry
    assert registry.get_sample_value("zhiyin_desk_closes_total", {"code": "4401"}) == 0
    assert registry.get_sample_value("zhiyin_bus_refusals_total", {"cause": "bus_full"}) == 0


def test_two_gateways_in_one_process_count_apart() -> None:
    first, second = GatewayMetrics(), GatewayMetrics()
    first.events_received.labels("track").inc()
    assert second.registry.get_sample_value("zhiyin_events_received_total", {"endpoint": "track"}) is None


def test_what_the_push_tells_is_counted() -> None:
    metrics = GatewayMetrics()
    counts = PrometheusMeter(metrics, lambda: 10_000)
    counts.opened("agent")
    counts.opened("agent")
    counts.ended("agent")
    counts.sent("next", 9_960)
    counts.sent("next", 10_500)
    counts.sent("pong", None)
    counts.closed(4401)
    counts.overflowed()
    counts.task_failed("channel_reader")
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if not sample.name.endswith(("_created", "_bucket"))
    }
    assert found["zhiyin_desk_connections", "agent"] == 1
    assert found["zhiyin_desk_frames_total", "next"] == 2
    assert found["zhiyin_desk_frames_total", "pong"] == 1
    assert found["zhiyin_background_failures_total", "channel_reader"] == 1
    assert found["zhiyin_background_failures_total", "channel_verifier"] == 0
    assert found["zhiyin_desk_closes_total", "4401"] == 1
    assert found[("zhiyin_desk_queue_overflows_total",)] == 1
    assert found[("zhiyin_fact_to_desk_seconds_count",)] == 2
    assert found[("zhiyin_fact_to_desk_seconds_sum",)] == pytest.approx(0.04)
