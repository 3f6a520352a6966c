"""The journey map against brute force: whatever the order of arrival, a window counts exactly what it should."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.monitoring.journey_map import (
    DAY_MS,
    DAYS_KEPT,
    HOUR_MS,
    MINUTE_MS,
    MOST_CODES,
    WINDOWS,
    JourneyMap,
    Window,
    keys_in,
    over,
    pack_pane,
    parse_key,
    unpack_pane,
)
from operators.tracking.transitions import FAILED, MOVED, UNKNOWN_DWELL, Transition

BEGINS_MS = 1_767_571_200_000
CELLS = ("web\tvip", "web\tother", "app\tother")
steps = st.sampled_from(("a", "b", "c"))


def move(
    at_ms: int, kind: str = MOVED, step: str = "a", other: str = "b", cell: str = CELLS[0], dwell: int = 5
) -> Transition:
    return ("loan", (kind, step, other), at_ms, cell, dwell)


moves = st.builds(
    move,
    st.one_of(
        st.integers(0, 3 * HOUR_MS).map(lambda ago: BEGINS_MS + 40 * DAY_MS - ago),
        st.integers(0, 35 * DAY_MS).map(lambda ago: BEGINS_MS + 40 * DAY_MS - ago),
    ),
    st.sampled_from((MOVED, "abandoned", "completed")),
    steps,
    steps,
    st.sampled_from(CELLS),
    st.integers(0, 4_000_000),
)


def counted(journey: JourneyMap, window: Window, channel: str | None = None) -> dict[tuple[str, str, str], int]:
    keys = keys_in(window, journey.newest_ms, journey.panes)
    return over((journey.panes[key] for key in keys), channel).counts


def expected(
    given_moves: list[Transition], window: Window, channel: str | None = None
) -> dict[tuple[str, str, str], int]:
    newest_ms = max(each[2] for each in given_moves)
    last_pane_ends_ms = newest_ms // window.pane_ms * window.pane_ms + window.pane_ms
    start_ms = last_pane_ends_ms - window.panes * window.pane_ms
    return dict(
        Counter(
            each[1] for each in given_moves if each[2] >= start_ms and channel in (None, each[3].partition("\t")[0])
        )
    )


@given(st.lists(moves, min_size=1, max_size=60), st.data())
@settings(max_examples=150, deadline=None)
def test_every_window_counts_exactly_what_brute_force_counts(
    given_moves: list[Transition], data: st.DataObject
) -> None:
    journey = JourneyMap()
    left = list(given_moves)
    while left:
        size = data.draw(st.integers(1, len(left)))
        journey.take(left[:size])
        left = left[size:]
    for window in WINDOWS.values():
        channel = data.draw(st.sampled_from((None, "web", "app")))
        assert counted(journey, window, channel) == expected(given_moves, window, channel), window.name


@given(st.lists(moves, min_size=1, max_size=40), st.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_a_map_taken_up_from_its_packed_panes_goes_on_as_it_would_have(given_moves: list[Transition], cut: int) -> None:
    whole, first, second = JourneyMap(), JourneyMap(), JourneyMap()
    whole.take(given_moves)
    first.take(given_moves[:cut])
    second.newest_ms = first.newest_ms
    for key, pane in first.panes.items():
        second.restore(parse_key(str(key)), pack_pane(pane))
    second.take(given_moves[cut:])
    assert second.panes.keys() == whole.panes.keys()
    for window in WINDOWS.values():
        assert counted(second, window) == counted(whole, window)


def test_the_memory_is_bounded_by_panes_not_by_moves() -> None:
    journey = JourneyMap()
    most = 0
    for hour in range(0, 24 * 60, 1):
        journey.take([move(BEGINS_MS + hour * HOUR_MS + minute * MINUTE_MS) for minute in range(0, 60, 5)])
        most = max(most, len(journey.panes))
    assert most <= 120 + 48 + DAYS_KEPT
    assert journey.too_old == 0
    assert sum(counted(journey, WINDOWS["28d"]).values()) == DAYS_KEPT * 24 * 12


def test_what_is_older_than_the_oldest_day_is_counted_as_too_old() -> None:
    journey = JourneyMap()
    journey.take([move(BEGINS_MS + 30 * DAY_MS), move(BEGINS_MS)])
    assert journey.too_old == 1
    assert counted(journey, WINDOWS["28d"]) == {(MOVED, "a", "b"): 1}


def test_a_sender_who_makes_up_codes_does_not_fill_the_memory() -> None:
    journey = JourneyMap()
    journey.take([move(BEGINS_MS, FAILED, "a", f"code-{number}", dwell=UNKNOWN_DWELL) for number in range(1000)])
    [pane] = journey.panes.values()
    counts = pane[CELLS[0]].counts
    assert len(counts) == MOST_CODES + 1
    assert counts[FAILED, "a", "other"] == 1000 - MOST_CODES
    assert pane[CELLS[0]].total(FAILED) == pane[CELLS[0]].total(FAILED, "a") == 1000


def test_panes_that_are_merged_away_are_named_once_for_whoever_wrote_them_down() -> None:
    journey = JourneyMap()
    journey.take([move(BEGINS_MS)])
    [minute] = journey.changed
    journey.changed.clear()
    journey.take([move(BEGINS_MS + 3 * HOUR_MS)])
    assert journey.gone == {minute}
    assert {key.span_ms for key in journey.changed} == {MINUTE_MS, HOUR_MS}


def test_bytes_that_are_no_pane_are_refused() -> None:
    with pytest.raises(ValueError, match="pane of a journey map: found 3 bytes that hold none"):
        unpack_pane(b"abc")
