"""Figures of predictions against brute force."""

import math
from random import Random

import pytest

from operators.learning.prequential_metrics import WINDOW, Prequential


def test_nothing_scored_is_nothing_said() -> None:
    figures = Prequential()
    assert (figures.log_loss, figures.brier, figures.calibration_error, figures.auc) == (0.0, 0.0, 0.0, 0.5)


def test_figures_are_those_of_brute_force() -> None:
    random = Random(5)
    said = [(random.random() * 0.98 + 0.01) for _ in range(1_000)]
    scored = [(probability, random.random() < probability**2) for probability in said]
    figures = Prequential()
    for probability, outcome in scored:
        figures.score(probability, 0.5, outcome)
    yes = [probability for probability, outcome in scored if outcome]
    no = [probability for probability, outcome in scored if not outcome]
    auc = sum((above > below) + (above == below) / 2 for above in yes for below in no) / len(yes) / len(no)
    losses = [-math.log(probability if outcome else 1 - probability) for probability, outcome in scored]
    bins = [[each for each in scored if int(each[0] * 10) == tenth] for tenth in range(10)]
    error = sum(abs(sum(p for p, _ in each) - sum(o for _, o in each)) for each in bins) / len(scored)
    assert figures.auc == pytest.approx(auc, abs=0.001)
    assert figures.log_loss == pytest.approx(sum(losses) / len(losses))
    assert figures.base_log_loss == pytest.approx(math.log(2))
    assert figures.brier == pytest.approx(sum((p - o) ** 2 for p, o in scored) / len(scored))
    assert figures.calibration_error == pytest.approx(error)


def test_older_outcomes_count_less() -> None:
    figures = Prequential()
    for _ in range(WINDOW):
        figures.score(0.9, 0.5, outcome=False)
    for _ in range(WINDOW):
        figures.score(0.9, 0.5, outcome=True)
    assert figures.weight == pytest.approx(WINDOW * 0.75)
    assert figures.brier == pytest.approx((0.81 * WINDOW / 4 + 0.01 * WINDOW / 2) / (0.75 * WINDOW))
