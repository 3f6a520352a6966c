"""The comparison of hinted and unhinted against counting with everything known, killed and resumed on the way."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.hints.arbitration import in_control_group
from operators.hints.builder import HintMaker
from operators.hints.hint import Hint
from operators.hints.uplift import GRACE_MS, Uplift, UpliftCounts
from operators.records.catalogue import ControlGroup
from operators.records.facts import Fact
from operators.support.snapshot_codec import StateUnreadable
from tests.operators.samples import catalogue, fact

HALF = ControlGroup(share=0.5, salt="test")
TIMEOUT_MS = 1_000
MAKER = HintMaker(catalogue())


def comparison(*, keeps_changes: bool = False, most_waiting: int = 1_000) -> Uplift:
    return Uplift(HALF, TIMEOUT_MS, lambda _: 0, keeps_changes=keeps_changes, most_waiting=most_waiting)


def customer(control: bool) -> str:
    return next(name for n in range(99) if in_control_group(name := f"c{n}", HALF.salt, HALF.share) is control)


CONTROL, OFFERED = customer(control=True), customer(control=False)


def hint(of: Fact) -> Hint:
    return MAKER.make(of, of.at_ms, of.at_ms)


def end_of_time(at_ms: int = 10**9) -> Fact:
    return fact("expired", attempt="other", at_ms=at_ms)


def test_who_completes_in_time_is_counted_once_the_time_is_over() -> None:
    uplift = comparison()
    broken_off = [fact(customer=OFFERED, attempt="a"), fact(customer=CONTROL, attempt="b")]
    assert not uplift.learn([*broken_off, hint(broken_off[0]), fact("completed", attempt="a", at_ms=2_000)])
    assert (uplift.counts, len(uplift)) == (UpliftCounts(), 2)
    assert not uplift.learn([fact("completed", attempt="b", at_ms=2_001), fact("started", at_ms=2_000 + GRACE_MS)])
    assert uplift.learn([fact("started", attempt="c", at_ms=2_001 + GRACE_MS)])
    assert uplift.counts == UpliftCounts(control=1, offered=1, offered_completed=1, hinted=1, hinted_completed=1)
    assert len(uplift) == 0


def test_later_break_offs_of_an_attempt_that_waits_are_part_of_it() -> None:
    uplift = comparison()
    uplift.learn([fact(customer=CONTROL), fact("returned", at_ms=1_100), fact(customer=CONTROL, at_ms=1_500)])
    uplift.learn([fact("completed", at_ms=2_001), end_of_time()])
    assert uplift.counts == UpliftCounts(control=1)


def test_a_hint_held_back_leaves_the_attempt_among_the_offered() -> None:
    uplift = comparison()
    uplift.learn([fact(customer=OFFERED), fact("completed", at_ms=1_500)])
    uplift.learn([end_of_time()])
    assert uplift.counts == UpliftCounts(offered=1, offered_completed=1)


def test_a_break_off_told_after_its_time_is_counted_with_what_comes_next() -> None:
    """Time leaps where customers are few: what was silent is told after what came later."""
    uplift, late = comparison(), fact(customer=OFFERED)
    uplift.learn([end_of_time(), late])
    uplift.learn([hint(late)])
    assert uplift.counts == UpliftCounts()
    uplift.learn([fact("completed", attempt="a1", at_ms=1_500)])
    assert uplift.counts == UpliftCounts(offered=1, offered_completed=1, hinted=1, hinted_completed=1)


def test_no_more_wait_than_may_and_the_others_are_counted_as_dropped() -> None:
    uplift = comparison(most_waiting=3)
    uplift.learn([fact(customer=CONTROL, attempt=f"a{n}") for n in range(10)])
    assert len(uplift) == 3
    uplift.learn([end_of_time()])
    assert uplift.counts == UpliftCounts(control=3, dropped=7)


def test_each_shard_has_its_own_time() -> None:
    uplift = Uplift(HALF, TIMEOUT_MS, {CONTROL: 1, OFFERED: 2}.__getitem__)
    uplift.learn([fact(customer=CONTROL), fact(customer=OFFERED, attempt="z")])
    uplift.learn([fact("expired", OFFERED, "ahead", 10**9)])
    assert uplift.counts == UpliftCounts(offered=1)
    uplift.learn([fact("completed", CONTROL, at_ms=1_500), fact("expired", CONTROL, "x", 10**9)])
    assert uplift.counts == UpliftCounts(control=1, control_completed=1, offered=1)


def test_the_uplift_comes_with_its_interval_and_what_could_be_seen() -> None:
    counts = UpliftCounts(control=80, control_completed=48, offered=70, offered_completed=56)
    assert counts.uplift is not None
    assert [round(each, 4) for each in counts.uplift.interval] == [0.0524, 0.3339]
    assert counts.smallest_detectable == pytest.approx(0.2115, abs=1e-4)
    assert UpliftCounts(offered=5).uplift is None
    assert UpliftCounts().smallest_detectable is None


def test_saved_state_of_another_format_is_refused() -> None:
    head = msgspec.msgpack.encode(("zhiyin-uplift-0", UpliftCounts(), {}))
    with pytest.raises(StateUnreadable, match="found format 'zhiyin-uplift-0', expected 'zhiyin-uplift-1'"):
        comparison().restore(head, [])


class PlantedAttempt(NamedTuple):
    """One attempt of the brute force: who, when it broke off (each hinted or not), when it completed."""

    customer: str
    broke_off_ms: tuple[tuple[int, bool], ...]
    completed_ms: int | None


attempts = st.lists(
    st.builds(
        PlantedAttempt,
        st.sampled_from([CONTROL, OFFERED]),
        st.lists(st.tuples(st.integers(1, 900), st.booleans()), min_size=1, max_size=3).map(tuple),
        st.none() | st.integers(901, 3_000),
    ),
    max_size=12,
)


def story(told: Sequence[PlantedAttempt]) -> list[Fact | Hint]:
    """What the journey says of them, in order of time; a hint right behind its break-off."""
    said: list[tuple[int, Fact | Hint]] = []
    for number, each in enumerate(told):
        name = f"a{number}"
        for at_ms, hinted in each.broke_off_ms:
            broke_off = fact(customer=each.customer, attempt=name, at_ms=at_ms)
            said.append((at_ms, broke_off))
            if hinted and each.customer == OFFERED:
                said.append((at_ms, hint(broke_off)))
        if each.completed_ms is not None:
            said.append((each.completed_ms, fact("completed", each.customer, name, each.completed_ms)))
    return [each for _, each in sorted(said, key=lambda pair: pair[0])]


def brute_force(told: Sequence[PlantedAttempt]) -> UpliftCounts:
    """All of an attempt's break-offs are within one time-out, so each attempt is one unit."""
    counted = [0] * 6
    for each in told:
        until_ms = min(at_ms for at_ms, _ in each.broke_off_ms) + TIMEOUT_MS
        groups = [0] if each.customer == CONTROL else [2]
        if each.customer == OFFERED and any(hinted for _, hinted in each.broke_off_ms):
            groups.append(4)
        for group in groups:
            counted[group] += 1
            counted[group + 1] += each.completed_ms is not None and each.completed_ms <= until_ms
    return UpliftCounts(*counted)


@given(told=attempts, cuts=st.lists(st.integers(0, 60), max_size=4))
def test_counts_are_those_of_brute_force_however_often_it_is_killed(
    told: list[PlantedAttempt], cuts: list[int]
) -> None:
    uplift, packs = comparison(keeps_changes=True), list[bytes]()
    said = story(told)
    batches = [said[begin:end] for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(said)], strict=True)]
    batches.append([end_of_time()])
    for batch in batches:
        uplift.learn(batch)
        packs.append(uplift.changes()[1])
        resumed = comparison(keeps_changes=True)
        resumed.restore(uplift.head(), packs)
        assert sorted(resumed.all_keys()) == sorted(uplift.all_keys())
        packs, uplift = [resumed.rows(resumed.all_keys())], resumed
    assert uplift.counts == brute_force(told)
    assert len(uplift) == uplift.waiting == 0


@given(told=attempts)
def test_the_memory_is_noted_row_by_row_and_only_when_asked(told: list[PlantedAttempt]) -> None:
    keeping, plain = comparison(keeps_changes=True), comparison()
    for uplift in (keeping, plain):
        uplift.learn(story(told))
    assert keeping.waiting <= len(told)
    assert keeping.waiting >= len(keeping)
    assert plain.waiting == 0
