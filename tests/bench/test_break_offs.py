"""Planted truth: agents' words bring the true reason first, calls bring the list into order, a drift is noticed."""

import pytest

from bench.break_offs import MISLED, callers, catalogue, drifted, lived, need_auc, off_by, share_right
from bench.simulated_house import Agents
from zhiyin.simulate.population import Mix


def test_where_signs_mislead_the_rules_agents_words_bring_the_true_reason_first() -> None:
    last = lived(4_000, MISLED, Agents(), seed=1)
    assert share_right(last, 0) < 0.5
    assert share_right(last, 1) > share_right(last, 0) + 0.2
    assert off_by(last, 1) < off_by(last, 0)


@pytest.mark.slow
def test_what_calls_showed_orders_the_list_better_than_a_rule_that_has_it_the_other_way_round() -> None:
    last = lived(5_000, Mix(), callers(catalogue()), seed=2)
    assert need_auc(last, 1) > need_auc(last, 0) + 0.1


def test_a_planted_drift_is_noticed_within_an_hour_of_its_first_outcomes() -> None:
    drift = drifted(2_500, seed=1)
    assert drift.false == 0
    assert drift.hours is not None
    assert drift.hours < 3.5, "outcomes take two hours"
