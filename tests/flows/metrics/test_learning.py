"""What Prometheus reads of the learning."""

from prometheus_client import CollectorRegistry

from flows.metrics.learning import EVERY_S, LearningKeepers, LearningMetrics
from operators.learning.interfaces import LearningFigures, Quality


class Figures:
    """A learning that only has figures."""

    def __init__(self) -> None:
        self.labels = 10
        self.leader = "linear"

    def figures(self) -> LearningFigures:
        linear = Quality("unfinished", self.leader, True, self.labels, 0.41, 0.45, 0.13, 0.02, 0.83)
        tree = Quality("unfinished", "tree", False, 3, 0.47, 0.45, 0.15, 0.04, 0.80)
        return LearningFigures("loan", (linear, tree), self.labels, 5, 1, 7, {"error": 2}, 1, 2, drifting=True)

    def saved(self) -> bytes:
        return b""

    def take_up(self, saved: bytes) -> None:
        """Nothing to take up."""


def test_the_figures_are_shown_by_model_every_few_seconds() -> None:
    registry, now, learning = CollectorRegistry(), [0.0], Figures()
    metrics = LearningKeepers([LearningMetrics(registry, lambda: now[0])])

    def read(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"zhiyin_{name}", {"journey": "loan", **labels})

    metrics.begin("loan", learning, resumed=False)
    linear = {"question": "unfinished", "model": "linear"}
    names = (
        "log_loss",
        "base_log_loss",
        "brier",
        "calibration_error_ratio",
        "auc_ratio",
        "scored_predictions",
        "leads",
    )
    assert [read(f"model_{name}", **linear) for name in names] == [0.41, 0.45, 0.13, 0.02, 0.83, 10, 1]
    assert read("model_leads", question="unfinished", model="tree") == 0
    assert [read("learning_labels", outcome=each) for each in ("learnt", "sampled_out", "dropped")] == [10, 5, 1]
    assert (read("learning_pending_predictions"), read("learning_drifts", of="error")) == (7, 2)
    assert read("learning_drifting") == 1

    for now[0], learning.labels, shown in ((0.0, 11, 11), (EVERY_S - 0.1, 12, 11), (EVERY_S, 13, 13)):
        metrics("loan", learning)
        assert read("learning_labels", outcome="learnt") == shown


def test_what_an_alert_looks_at_is_there_before_anything_is_learnt() -> None:
    registry = CollectorRegistry()
    LearningMetrics(registry).expect(("loan",))
    assert registry.get_sample_value("zhiyin_learning_drifting", {"journey": "loan"}) == 0
    for of in ("error", "age", "steps"):
        assert registry.get_sample_value("zhiyin_learning_drifts", {"journey": "loan", "of": of}) == 0


def test_who_has_lost_the_lead_is_not_shown_as_leader_any_more() -> None:
    registry, learning = CollectorRegistry(), Figures()
    metrics = LearningMetrics(registry)
    for learning.leader in ("base", "linear"):
        metrics.begin("loan", learning, resumed=False)
    labels = {"journey": "loan", "question": "unfinished"}
    shown = [registry.get_sample_value("zhiyin_model_leads", labels | {"model": each}) for each in ("base", "linear")]
    assert shown == [0, 1]
