"""Wordings by bandit: shares, draws, learning on a simulated case, estimates from the log, memory."""

import math
from collections import Counter
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import proba

from operators.hints.builder import HintMaker
from operators.hints.hint import Hint, Wording, WordingReward
from operators.hints.off_policy_value import arm_of, drawn, inverse_propensity
from operators.hints.thompson_sampling import EXPLORATION, HALVED_AT, WordingPolicy
from operators.hints.wording_selection import FORGOTTEN_AFTER_MS, MOST_OVERTAKING, WordingSelection
from operators.records.catalogue import Catalogue, Hints, Words
from operators.records.facts import Fact, FactKind, stable_id
from operators.support.snapshot_codec import StateUnreadable
from tests.operators.samples import catalogue, fact

SHORT = Words("{journey}只差一步", "One step left of your {journey}")
KIND = Words("需要我帮您完成{step}吗", "Shall I help you with {step}?")


def varied() -> Catalogue:
    """The sample catalogue, whose face check may be said in three ways."""
    plain = catalogue(hints=Hints(wording="bandit"))
    face = msgspec.structs.replace(plain.reasons["face_check"], variants=(SHORT, KIND))
    return msgspec.structs.replace(plain, reasons={**plain.reasons, "face_check": face})


CATALOGUE = varied()
MAKER = HintMaker(CATALOGUE)


def hint_of(number: int, told_ms: int = 1_000) -> Hint:
    return MAKER.make(fact(customer=f"u{number}", attempt=f"a{number}", at_ms=told_ms), told_ms, None)


def end_of(number: int, kind: FactKind = "completed") -> Fact:
    return fact(kind, f"u{number}", f"a{number}", 9_000)


def test_a_hint_is_said_in_one_of_the_wordings_and_the_choice_is_on_it() -> None:
    choices = WordingSelection(CATALOGUE)
    hints = [choices.worded(hint_of(number)) for number in range(60)]
    texts = {hint.wording.variant: hint.text.en for hint in hints if hint.wording is not None}
    assert texts == {
        0: "Your policy loan stopped at Face check",
        1: "One step left of your policy loan",
        2: "Shall I help you with Face check?",
    }
    propensities = [hint.wording.propensity for hint in hints if hint.wording is not None]
    assert propensities == pytest.approx([1 / 3] * 60)
    assert choices.worded(hint_of(7)) == hints[7]


def test_a_reason_without_variants_stays_as_it_is() -> None:
    choices = WordingSelection(catalogue())
    hint = hint_of(1)
    assert choices.worded(hint) is hint
    assert hint.wording is None
    assert choices.ended(end_of(1)) == []
    assert len(choices) == 0


@pytest.mark.parametrize(("kind", "reward"), [("completed", 1.0), ("cancelled", 0.0), ("expired", 0.0)])
def test_an_end_rewards_the_hints_of_its_attempt_once(kind: FactKind, reward: float) -> None:
    choices = WordingSelection(CATALOGUE)
    wording = choices.worded(hint_of(1)).wording
    assert wording is not None
    assert choices.ended(end_of(1, "returned")) == []
    assert choices.ended(end_of(1, kind)) == [
        WordingReward(
            hint_id=hint_of(1).hint_id,
            customer_id="u1",
            journey="policy_loan",
            reason="face_check",
            variant=wording.variant,
            propensity=wording.propensity,
            reward=reward,
            at_ms=9_000,
        )
    ]
    assert choices.ended(end_of(1, kind)) == []


def test_an_end_that_overtakes_its_hint_is_learnt_from_all_the_same() -> None:
    choices = WordingSelection(CATALOGUE)
    assert choices.ended(msgspec.structs.replace(end_of(1), recovered=True)) == []
    assert choices.ended(end_of(2)) == []
    choices.worded(hint_of(1))
    assert [each.reward for each in choices.ended_before(hint_of(1))] == [1.0]
    choices.worded(hint_of(2))
    assert choices.ended_before(hint_of(2)) == []
    for number in range(3, 3 + MOST_OVERTAKING + 1):
        choices.ended(msgspec.structs.replace(end_of(number), recovered=True))
    choices.worded(hint_of(3))
    assert choices.ended_before(hint_of(3)) == []


def policy_with(*outcomes: tuple[int, int]) -> WordingPolicy:
    """Arms ``0``, ``1``, ... with so many successes and failures."""
    policy = WordingPolicy()
    for arm, (successes, failures) in enumerate(outcomes):
        policy.recall(str(arm), 1 + successes, 1 + failures)
    return policy


def test_the_shares_are_the_probabilities_of_being_best() -> None:
    policy = policy_with((30, 70), (38, 62), (20, 80))
    arms = ["0", "1", "2"]
    chance = Random(5)
    posteriors = [policy.posterior(arm) for arm in arms]
    best = Counter(
        max(range(3), key=[chance.betavariate(*each) for each in posteriors].__getitem__) for _ in range(40_000)
    )
    expected = [(1 - EXPLORATION) * best[place] / 40_000 + EXPLORATION / 3 for place in range(3)]
    assert policy.shares(arms) == pytest.approx(expected, abs=0.01)


def test_two_arms_by_the_exact_formula() -> None:
    """P(one beats the other) for whole parameters, summed exactly (Cook, 2005)."""
    policy = policy_with((9, 20), (14, 15))
    (one, one_not), (two, two_not) = policy.posterior("0"), policy.posterior("1")

    def log_beta(alpha: float, beta: float) -> float:
        return math.lgamma(alpha) + math.lgamma(beta) - math.lgamma(alpha + beta)

    exact = math.fsum(
        math.exp(
            log_beta(one + place, one_not + two_not)
            - math.log(two_not + place)
            - log_beta(1 + place, two_not)
            - log_beta(one, one_not)
        )
        for place in range(two)
    )
    share_two = policy.shares(["0", "1"])[1]
    assert min(abs(share_two - _mixed(exact)), abs(share_two - _mixed(1 - exact))) < 0.003
    assert share_two > 0.5


def _mixed(probability: float) -> float:
    return (1 - EXPLORATION) * probability + EXPLORATION / 2


@given(st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 3_000)), min_size=2, max_size=4))
@settings(max_examples=30)
def test_shares_sum_to_one_and_none_is_given_up(outcomes: list[tuple[int, int]]) -> None:
    arms = [str(place) for place in range(len(outcomes))]
    shares = policy_with(*outcomes).shares(arms)
    assert math.fsum(shares) == pytest.approx(1)
    assert min(shares) >= EXPLORATION / len(arms) - 1e-12


def test_the_draw_falls_on_each_arm_as_often_as_its_share_says() -> None:
    policy = policy_with((30, 70), (38, 62))
    shares = policy.shares(["0", "1"])
    chosen = Counter(policy.choose(["0", "1"], drawn(f"hint-{number}")).arm for number in range(20_000))
    assert chosen["0"] / 20_000 == pytest.approx(shares[0], abs=0.01)
    assert policy.choose(["0", "1"], 1.0).arm == "1"


def test_it_is_rivers_thompson_sampling() -> None:
    policy = WordingPolicy()
    for reward in (True, True, False):
        policy.learn("0", reward)
    assert policy.posterior("0") == (3, 2)
    assert isinstance(policy.reward_obj, proba.Beta)
    assert policy.pull(["0", "1"]) in {"0", "1"}


def test_old_outcomes_fade() -> None:
    policy = policy_with((HALVED_AT - 3, 0))
    policy.learn("0", True)
    assert policy.posterior("0") == (HALVED_AT - 1, 1)
    policy.learn("0", False)
    assert policy.posterior("0") == ((HALVED_AT - 1) // 2, 1)


def simulated(seed: int, hints: int, worth: tuple[float, ...]) -> list[WordingReward]:
    """The log of hints whose wordings get customers to finish with these probabilities; ends come 20 hints later."""
    chance = Random(seed)
    choices = WordingSelection(CATALOGUE)
    log: list[WordingReward] = []
    finishes: dict[int, bool] = {}
    for number in range(hints + 20):
        if number < hints:
            made = msgspec.structs.replace(hint_of(number), hint_id=stable_id(str(seed), str(number)))
            wording = choices.worded(made).wording
            assert wording is not None
            finishes[number] = chance.random() < worth[wording.variant]
        if number >= 20:
            log += choices.ended(end_of(number - 20, "completed" if finishes[number - 20] else "expired"))
    return log


def test_it_finds_the_better_wording() -> None:
    log = simulated(1, 1_500, (0.30, 0.45, 0.30))
    shown = Counter(each.variant for each in log[-500:])
    assert shown[1] / 500 > 0.75
    assert math.fsum(each.reward for each in log) / len(log) > 0.39


def test_estimates_from_the_log_are_without_bias_although_the_log_is_lopsided() -> None:
    worth = (0.30, 0.42, 0.30)
    logs = [simulated(seed, 120, worth) for seed in range(24)]
    estimates = [[inverse_propensity(log, variant) for variant in range(3)] for log in logs]
    for variant in range(3):
        values = [each[variant].value for each in estimates]
        mean = math.fsum(values) / len(values)
        spread = math.sqrt(math.fsum((each - mean) ** 2 for each in values) / (len(values) - 1))
        assert abs(mean - worth[variant]) < 3.5 * spread / math.sqrt(len(values))
        claimed = math.fsum(each[variant].standard_error for each in estimates) / len(estimates)
        assert 0.6 < claimed / spread < 1.6


def test_no_log_is_no_estimate() -> None:
    estimate = inverse_propensity([], 0)
    assert estimate.count == 0
    assert math.isnan(estimate.value)


def test_a_changed_text_is_another_wording() -> None:
    assert arm_of(SHORT) != arm_of(msgspec.structs.replace(SHORT, en="Almost there"))


@given(
    st.lists(st.tuples(st.integers(0, 8), st.sampled_from(("hint", "completed", "expired"))), max_size=40), st.data()
)
@settings(max_examples=40)
def test_a_restart_anywhere_goes_on_the_same(steps: list[tuple[int, str]], data: st.DataObject) -> None:
    def play(choices: WordingSelection, number: int, step: str) -> object:
        return choices.worded(hint_of(number)) if step == "hint" else choices.ended(end_of(number, _kind(step)))

    cut = data.draw(st.integers(0, len(steps)))
    first = WordingSelection(CATALOGUE, keeps_changes=True)
    packs = []
    for number, step in steps[:cut]:
        play(first, number, step)
        assert first.waiting >= 0
        packs.append(first.changes()[1])
    for packed in (packs, [first.rows(first.all_keys())]):
        again, whole = WordingSelection(CATALOGUE), WordingSelection(CATALOGUE)
        again.restore(first.head(), packed)
        for number, step in steps[:cut]:
            play(whole, number, step)
        for number, step in steps[cut:]:
            assert play(again, number, step) == play(whole, number, step)
        assert len(again) == len(whole)


def _kind(step: str) -> FactKind:
    return "completed" if step == "completed" else "expired"


def test_what_never_ends_is_forgotten() -> None:
    choices = WordingSelection(CATALOGUE, keeps_changes=True)
    choices.worded(hint_of(1))
    choices.worded(hint_of(2, 1_000 + FORGOTTEN_AFTER_MS + 1))
    assert len(choices) == 1
    assert choices.ended(end_of(1)) == []
    count, packed = choices.changes()
    again = WordingSelection(CATALOGUE)
    again.restore(choices.head(), [packed])
    assert (count, len(again)) == (2, 1)


def test_memory_of_another_format_is_refused() -> None:
    with pytest.raises(StateUnreadable, match="expected 'zhiyin-wording-1'"):
        WordingSelection(CATALOGUE).restore(b"\x91\xa5other", ())


def test_the_choice_is_part_of_the_hint() -> None:
    hint = msgspec.structs.replace(hint_of(1), wording=Wording(1, 0.4))
    assert msgspec.to_builtins(hint)["wording"] == {"variant": 1, "propensity": 0.4}
