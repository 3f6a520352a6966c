"""Hot questions: decayed, mergeable, bounded, and moved by what helped."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.contacts.hot_questions import (
    EVERYBODY,
    GROUPS,
    QUESTIONS_A_GROUP,
    AnswerRated,
    Heat,
    HotQuestions,
    QuestionAsked,
    groups_of,
    hot_document,
    merged,
    question_id,
)
from operators.support.snapshot_codec import StateUnreadable
from tests.operators.samples import REASONS, catalogue

HOUR_MS = 3_600_000
NOW_MS = 1_767_225_600_000
FACE, SMS, CLAIM = (
    question_id("policy_loan", "face_check"),
    question_id("policy_loan", "sms_code"),
    question_id("claim", "face_check"),
)


def questions() -> HotQuestions:
    return HotQuestions(catalogue(), HOUR_MS, keeps_changes=True)


def ask(made: HotQuestions, name: str, times: int = 1, at_ms: int = NOW_MS) -> None:
    for _ in range(times):
        made.learn(EVERYBODY, QuestionAsked((EVERYBODY,), name, at_ms), at_ms)


def rate(made: HotQuestions, name: str, solved: bool, times: int = 1) -> None:
    for _ in range(times):
        made.learn(EVERYBODY, AnswerRated((EVERYBODY,), name, solved, NOW_MS), NOW_MS)


def names(made: HotQuestions, now_ms: int = NOW_MS) -> list[str]:
    return [each.question_id for each in made.hot_list(EVERYBODY, now_ms).questions]


def test_what_is_asked_most_comes_first_with_its_answer() -> None:
    made = questions()
    ask(made, SMS, 2)
    ask(made, FACE, 3)
    hot = made.hot_list(EVERYBODY, NOW_MS)
    assert [(each.question_id, each.score) for each in hot.questions] == [(FACE, 1.5), (SMS, 1.0)]
    first = hot.questions[0]
    assert (first.title.en, first.article, first.helped) == (
        "Policy loan: face en",
        REASONS["face_check"].article,
        None,
    )
    assert first.text.en == "Your policy loan stopped at this step"
    assert hot_document(hot)["at"] == "2026-01-01T00:00:00.000Z"


def test_an_hour_halves_a_count() -> None:
    made = questions()
    ask(made, FACE, 3, NOW_MS - HOUR_MS)
    ask(made, SMS, 2)
    assert names(made) == [SMS, FACE]
    assert made.hot_list(EVERYBODY, NOW_MS).questions[1].score == 0.75


def test_an_answer_that_helps_rises_and_one_that_does_not_falls() -> None:
    made = questions()
    ask(made, FACE, 3)
    ask(made, SMS, 2)
    rate(made, FACE, False, 3)
    rate(made, SMS, True, 2)
    assert names(made) == [SMS, FACE]
    assert [each.helped for each in made.hot_list(EVERYBODY, NOW_MS).questions] == [1.0, 0.0]


def test_what_the_catalogue_has_not_and_what_has_no_answer_is_not_offered() -> None:
    made = questions()
    for name in ("policy_loan.gone", "gone.face_check", "policy_loan.unknown", "nothing"):
        ask(made, name, 9)
    ask(made, CLAIM)
    assert names(made) == [CLAIM]


def test_a_question_gone_cold_is_not_offered() -> None:
    made = questions()
    ask(made, FACE)
    assert names(made, NOW_MS + 6 * HOUR_MS) == [FACE]
    assert names(made, NOW_MS + 7 * HOUR_MS) == []


def test_lists_are_told_when_they_have_changed_at_most_once_a_second() -> None:
    made = questions()
    ask(made, FACE, 50)
    made.learn("journey:claim", QuestionAsked((), CLAIM, NOW_MS), NOW_MS)
    assert made.next_due_ms == NOW_MS + 1_000
    assert made.due(NOW_MS + 999) == []
    assert [each.group for each in made.due(NOW_MS + 1_000)] == [EVERYBODY, "journey:claim"]
    assert made.due(NOW_MS + 9_000) == []


def test_memory_is_bounded_in_questions_and_groups() -> None:
    made = questions()
    ask(made, FACE, 5)
    for number in range(2 * QUESTIONS_A_GROUP):
        ask(made, f"policy_loan.other-{number}")
    assert names(made)[0] == FACE
    for number in range(GROUPS + 20):
        made.learn(f"group:{number}", QuestionAsked((), SMS, NOW_MS), NOW_MS)
    assert len(made) == GROUPS
    assert EVERYBODY in made.all_keys()


def test_groups_are_everybody_the_journeys_and_the_customers_own() -> None:
    assert groups_of("claim", None) == ("all", "journey:claim")
    assert groups_of("claim", "gold") == ("all", "journey:claim", "group:gold")


def test_state_of_another_format_is_refused() -> None:
    with pytest.raises(StateUnreadable, match="expected 'zhiyin-questions-1'"):
        questions().restore(b"\x91\xa1x", [])


counts = st.floats(0, 1e6)
heats = st.builds(Heat, counts, counts, counts, st.integers(NOW_MS, NOW_MS + 100 * HOUR_MS))


def close(one: Heat, other: Heat) -> bool:
    return one.at_ms == other.at_ms and all(
        math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-9)
        for left, right in zip(
            (one.asked, one.solved, one.unsolved), (other.asked, other.solved, other.unsolved), strict=True
        )
    )


@given(heats, heats, heats)
def test_counts_made_apart_can_be_merged_in_any_order(one: Heat, two: Heat, three: Heat) -> None:
    assert close(merged(one, two, HOUR_MS), merged(two, one, HOUR_MS))
    left = merged(merged(one, two, HOUR_MS), three, HOUR_MS)
    assert close(left, merged(one, merged(two, three, HOUR_MS), HOUR_MS))


events = st.lists(
    st.tuples(st.sampled_from([FACE, SMS, CLAIM]), st.integers(0, 20), st.sampled_from([None, True, False])),
    max_size=30,
)


@given(events, st.randoms(use_true_random=False), st.integers(0, 30))
def test_order_does_not_matter_and_a_kill_changes_nothing(
    some: list[tuple[str, int, bool | None]], chance: random.Random, cut: int
) -> None:
    shuffled = list(some)
    chance.shuffle(shuffled)
    one, before, other = questions(), questions(), questions()
    packs: list[bytes] = []
    for place, each in enumerate(some):
        _learn(one, each)
        if place < cut:
            _learn(before, each)
            packs.append(before.changes()[1])
    after = questions()
    after.restore(before.head(), packs)
    for each in some[cut:]:
        _learn(after, each)
    for each in shuffled:
        _learn(other, each)
    assert _scores(after) == _scores(one)
    assert _scores(other) == pytest.approx(_scores(one))


def _learn(made: HotQuestions, given: tuple[str, int, bool | None]) -> None:
    name, minutes, solved = given
    at_ms = NOW_MS + minutes * 60_000
    word = QuestionAsked((), name, at_ms) if solved is None else AnswerRated((), name, solved, at_ms)
    made.learn(EVERYBODY, word, NOW_MS)


def _scores(made: HotQuestions) -> dict[str, float]:
    hot = made.hot_list(EVERYBODY, NOW_MS + HOUR_MS)
    return {each.question_id: each.score for each in hot.questions}
