"""What Prometheus reads of the comparison."""

import pytest
from prometheus_client import CollectorRegistry

from flows.metrics.uplift import UpliftMetrics
from operators.hints.uplift import UpliftCounts


def test_the_gauges_say_what_was_counted_and_nothing_where_nothing_can_be_said() -> None:
    registry = CollectorRegistry()
    metrics = UpliftMetrics(registry)
    metrics("claim", UpliftCounts(offered=3, offered_completed=1, hinted=2, dropped=4))
    metrics("loan", UpliftCounts(80, 48, 70, 56, 60, 50))

    def read(name: str, journey: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"zhiyin_uplift_{name}", {"journey": journey, **labels})

    assert [read("attempts", "loan", group=group) for group in ("control", "offered", "hinted")] == [80, 70, 60]
    assert [read("completed_attempts", "loan", group=group) for group in ("control", "offered", "hinted")] == [
        *(48, 56, 50)
    ]
    assert read("ratio", "loan") == pytest.approx(0.2)
    assert read("low_ratio", "loan") == pytest.approx(0.0524, abs=1e-4)
    assert read("high_ratio", "loan") == pytest.approx(0.3339, abs=1e-4)
    assert read("detectable_ratio", "loan") == pytest.approx(0.2115, abs=1e-4)
    assert (read("ratio", "claim"), read("detectable_ratio", "claim"), read("dropped_attempts", "claim")) == (
        *(None, None),
        4,
    )
