import pytest
from prometheus_client import CollectorRegistry, generate_latest

from config.metric import PROCESS_METRICS, Metric, counter, gauge, histogram, one_label, process_metrics

DOORS = Metric("zhiyin_doors_total", "counter", "doors opened", ("side",))
GUESTS = Metric("zhiyin_guests", "gauge", "guests in the house")
WALKS = Metric("zhiyin_walk_seconds", "histogram", "walks", (), (0.5, 2.0))


def test_each_kind_is_made_from_its_row_in_the_registry_that_is_given() -> None:
    registry = CollectorRegistry()
    counter(DOORS, registry).labels("left").inc(2)
    gauge(GUESTS, registry).set(3)
    histogram(WALKS, registry).observe(1.0)
    served = generate_latest(registry).decode()
    assert "# HELP zhiyin_doors_total doors opened\n# TYPE zhiyin_doors_total counter\n" in served
    assert registry.get_sample_value("zhiyin_doors_total", {"side": "left"}) == 2
    assert registry.get_sample_value("zhiyin_guests") == 3
    bounds = {bound: registry.get_sample_value("zhiyin_walk_seconds_bucket", {"le": bound}) for bound in ("0.5", "2.0")}
    assert bounds == {"0.5": 0, "2.0": 1}


def test_a_name_is_counted_once_in_a_registry() -> None:
    registry = CollectorRegistry()
    gauge(GUESTS, registry)
    with pytest.raises(ValueError, match="zhiyin_guests"):
        gauge(GUESTS, registry)


def test_known_values_of_labels_are_served_from_the_start() -> None:
    registry = CollectorRegistry()
    counter(Metric("zhiyin_doors_total", "counter", "doors", ("side",), known=one_label("left", "right")), registry)
    gauge(Metric("zhiyin_lamps", "gauge", "lamps", ("room", "on"), known=(("hall", "yes"),)), registry)
    assert registry.get_sample_value("zhiyin_doors_total", {"side": "right"}) == 0
    assert registry.get_sample_value("zhiyin_lamps", {"room": "hall", "on": "yes"}) == 0


def test_the_process_is_measured_under_the_usual_names() -> None:
    registry = CollectorRegistry()
    process_metrics(registry)
    assert {name for name in PROCESS_METRICS if registry.get_sample_value(name)} == set(PROCESS_METRICS)
