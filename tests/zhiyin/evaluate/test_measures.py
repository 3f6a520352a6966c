"""The figures against scikit-learn's, and against their own definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from zhiyin.evaluate.measures import auc, calibration_error, measures, reliability

rows = st.lists(st.tuples(st.integers(0, 20).map(lambda twentieth: twentieth / 20), st.booleans()), min_size=1)


@settings(max_examples=40, deadline=None)
@given(rows=rows)
def test_the_figures_are_scikit_learns(rows: list[tuple[float, bool]]) -> None:
    scores, outcomes = np.array([score for score, _ in rows]), np.array([outcome for _, outcome in rows])
    found = measures(scores, outcomes)
    assert found is not None
    assert found.log_loss == pytest.approx(log_loss(outcomes, np.clip(scores, 1e-6, 1 - 1e-6), labels=[False, True]))
    assert found.brier == pytest.approx(brier_score_loss(outcomes, scores))
    if len({outcome for _, outcome in rows}) == 2:
        assert found.auc == pytest.approx(roc_auc_score(outcomes, scores))
    else:
        assert found.auc is None
    assert (found.rows, found.share_yes) == (len(rows), outcomes.mean())


def test_there_is_nothing_to_say_of_no_rows() -> None:
    assert measures(np.array([]), np.array([], dtype=bool)) is None


def test_the_calibration_error_weighs_each_bins_gap_by_its_rows() -> None:
    scores = np.array([0.1, 0.1, 0.1, 1.0])
    outcomes = np.array([True, False, False, True])
    assert [(each.low, each.rows, each.mean_score) for each in reliability(scores, outcomes)] == [
        *((0.1, 3, pytest.approx(0.1)), (0.9, 1, 1.0))
    ]
    assert calibration_error(scores, outcomes) == pytest.approx(3 / 4 * (1 / 3 - 0.1))


def test_ties_count_half() -> None:
    assert auc(np.array([0.5, 0.5, 0.5, 0.5]), np.array([True, False, True, False])) == 0.5
    assert auc(np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False])) == 0.875
