"""Moves that wait to be counted: the map is as if each had been counted as it came, whenever somebody looks."""

from hypothesis import given, settings
from hypothesis import strategies as st

from operators.monitoring.hourly_buffer import HourlyBuffer
from operators.monitoring.journey_map import DAY_MS, HOUR_MS, MINUTE_MS, WINDOWS, JourneyMap, Window, keys_in, over
from operators.monitoring.journey_monitor import MOST_WAITING, JourneyMonitor, MapChanged
from operators.monitoring.pain_detection import pain_thresholds
from operators.monitoring.step_shares import ALL, by_scope
from operators.records.catalogue import Catalogue, Journey, Monitoring, Reason, Step, Words
from operators.tracking.transitions import MOVED, UNKNOWN_DWELL, Transition

BEGINS_MS = 1_767_571_200_000
TITLE = Words(zh="步", en="step")
LOAN = Journey(title=TITLE, steps=(Step(id="form", title=TITLE), Step(id="done", title=TITLE, final=True)))
CATALOGUE = Catalogue(
    journeys={"loan": LOAN}, reasons=dict[str, Reason](), monitoring=Monitoring(channels=("web", "app"))
)

moves = st.builds(
    lambda at_ms, kind, cell, dwell_ms: ("loan", (kind, "form", "done"), at_ms, cell, dwell_ms),
    st.one_of(st.integers(0, 4 * HOUR_MS), st.integers(0, 40 * DAY_MS)).map(lambda after: BEGINS_MS + after),
    st.sampled_from((MOVED, "abandoned")),
    st.sampled_from(("web\tvip", "web\tother", "app\tother")),
    st.one_of(st.just(UNKNOWN_DWELL), st.integers(0, 4_000_000)),
)


def monitor() -> JourneyMonitor:
    made = JourneyMonitor(CATALOGUE.journeys, pain_thresholds(CATALOGUE), keeps_changes=True)
    made.open("loan")
    return made


def found(journey: JourneyMap, window: Window) -> tuple[dict[tuple[str, str, str], int], list[int], int]:
    tally = over(journey.panes[key] for key in keys_in(window, journey.newest_ms, journey.panes))
    dwell = tally.dwells.get("form")
    if dwell is None:
        return tally.counts, [], 0
    dwell.settle()
    return tally.counts, dwell.ranges, dwell.count


@given(st.lists(moves, min_size=1, max_size=60), st.data())
@settings(max_examples=100, deadline=None)
def test_the_map_is_that_of_moves_counted_one_by_one(given_moves: list[Transition], data: st.DataObject) -> None:
    one_by_one, watching = JourneyMap(), monitor()
    for move in given_moves:
        one_by_one.take([move])
    left = list(given_moves)
    while left:
        size = data.draw(st.integers(1, len(left)))
        watching.take(left[:size])
        left = left[size:]
        if data.draw(st.booleans()):
            watching.settle()
    watching.settle()
    assert watching.map.panes.keys() == one_by_one.panes.keys()
    for window in WINDOWS.values():
        assert found(watching.map, window) == found(one_by_one, window), window.name


@given(st.lists(moves, min_size=1, max_size=40), st.integers(0, 40))
@settings(max_examples=50, deadline=None)
def test_what_waits_is_in_what_is_remembered(given_moves: list[Transition], cut: int) -> None:
    whole, first, second = monitor(), monitor(), monitor()
    whole.take(given_moves)
    first.take(given_moves[:cut])
    packs = [first.changes()[1]]
    second.restore(first.head(), packs)
    second.take(given_moves[cut:])
    whole.settle()
    second.settle()
    assert second.map.panes.keys() == whole.map.panes.keys()
    for window in WINDOWS.values():
        assert found(second.map, window) == found(whole.map, window), window.name


def test_an_hour_weighs_the_same_whether_it_waits_or_is_counted() -> None:
    given_moves: list[Transition] = [
        ("loan", (MOVED, "form", "done"), BEGINS_MS + minute * MINUTE_MS, cell, 1_000 * minute)
        for minute in range(60)
        for cell in ("web\tother", "app\tother")
    ]
    recent, journey = HourlyBuffer(), JourneyMap()
    recent.add(given_moves[:50])
    assert list(recent.between(BEGINS_MS, BEGINS_MS + HOUR_MS))
    recent.add(given_moves[50:])
    journey.take(given_moves)
    waiting = by_scope(recent.between(BEGINS_MS, BEGINS_MS + HOUR_MS))
    counted = by_scope(journey.panes.values())
    assert waiting.keys() == counted.keys() == {ALL, "channel:web", "channel:app"}
    for scope, shares in waiting.items():
        assert shares.of("loss", "form") == counted[scope].of("loss", "form") != (0, 0)
        assert shares.ranges("form") == counted[scope].ranges("form")
    assert recent.waiting == len(given_moves)
    assert sorted(recent.pop_transitions("loan")) == sorted(given_moves)
    assert recent.waiting == 0


def test_no_more_moves_wait_than_there_is_memory_for() -> None:
    watching = monitor()
    move: Transition = ("loan", (MOVED, "form", "done"), BEGINS_MS, "web\tother", 5)
    watching.take([move] * MOST_WAITING)
    assert not watching.map.panes
    watching.take([move])
    [pane] = watching.map.panes.values()
    assert pane["web\tother"].total(MOVED) == MOST_WAITING + 1


def test_an_old_hour_is_told_of_as_one_pane_without_its_minutes() -> None:
    watching = monitor()
    watching.take([("loan", (MOVED, "form", "done"), BEGINS_MS + hour * HOUR_MS, "web\tother", 5) for hour in range(4)])
    [told] = [each for each in watching.pop_outputs() if isinstance(each, MapChanged)]
    spans = [key.partition(":")[0] for key in sorted(told.panes)]
    assert spans == [str(HOUR_MS)] * 2 + [str(MINUTE_MS)] * 2
    assert told.gone == ()
