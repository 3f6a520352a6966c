"""The source over any bus: what it reads on from, when the clock ticks, what it lets go, how far it is behind."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from flows.sources.bus import Backlog, BusPart, BusSource, Lag
from flows.steps.messages import Poll
from state.bus.protocol import BusEntry, BusLook, BusUnavailable

AWAY = BusUnavailable("reading", "here", "gone", "no", "wait")
BEGAN_MS = 1_800_000_000_000


def entry(position: int, arrived_ms: int = BEGAN_MS) -> BusEntry:
    return BusEntry(str(position), "anna", position, arrived_ms, b"%d" % position)


def look(*positions: int, end_ms: int | None = None, waiting: int | None = None) -> BusLook:
    return BusLook([entry(each) for each in positions], end_ms, waiting)


class ScriptedReader:
    """Gives the looks it was given, then nothing more."""

    def __init__(self, *looks: BusLook | BusUnavailable) -> None:
        self._looks = list(looks)
        self.asked: list[str | None] = []
        self.let_go: list[str] = []
        self.closed = False

    def read(self, after: str | None, count: int) -> BusLook:
        self.asked.append(after)
        found = self._looks.pop(0) if self._looks else look()
        if isinstance(found, BusUnavailable):
            raise found
        return found

    def taken(self, position: str) -> None:
        self.let_go.append(position)

    def close(self) -> None:
        self.closed = True


def part_of(
    reader: ScriptedReader,
    resumed: str | None = None,
    stopping: Callable[[], bool] = lambda: False,
    lags: list[Lag] | None = None,
) -> BusPart:
    heard: list[Lag] = [] if lags is None else lags
    source = BusSource(
        lambda _: reader,
        4,
        stopping,
        lambda _, lag: heard.append(lag),
        poll_events=3,
        poll_interval_ms=5,
        tick_ms=100,
    )
    return source.build_part("bus", "2", resumed)


def polls(part: BusPart, count: int) -> list[Poll]:
    return [poll for _ in range(count) for poll in part.next_batch()]


def test_parts_are_the_partitions() -> None:
    source = BusSource(
        lambda _: ScriptedReader(), 3, lambda: False, lambda *_: None, poll_events=1, poll_interval_ms=1, tick_ms=1
    )
    assert source.list_parts() == ["0", "1", "2"]


def test_it_reads_on_from_its_snapshot_and_then_from_what_it_read() -> None:
    reader = ScriptedReader(look(8, 9), look(), look(10))
    part = part_of(reader, "7")
    found = polls(part, 4)
    assert reader.asked == ["7", "9", "9", "10"]
    assert [poll.raws for poll in found] == [[b"8", b"9"], [b"10"]]
    assert (found[0].customers, found[0].times_ms, found[0].arrived_ms) == (["anna"] * 2, [8, 9], [BEGAN_MS] * 2)
    assert (found[0].partition, found[0].partitions) == (2, 4)
    assert part.snapshot() == "10"


def test_without_a_snapshot_it_reads_from_the_first() -> None:
    reader = ScriptedReader()
    assert (polls(part_of(reader), 1), reader.asked) == ([], [None])


def test_the_clock_ticks_with_the_instant_that_was_looked_at_and_not_with_each_look() -> None:
    ends = (BEGAN_MS, BEGAN_MS + 30, BEGAN_MS + 99, BEGAN_MS + 130, BEGAN_MS + 130)
    found = polls(part_of(ScriptedReader(*(look(end_ms=end) for end in ends))), len(ends))
    assert [(poll.raws, poll.now_ms) for poll in found] == [([], BEGAN_MS), ([], BEGAN_MS + 130)]


def test_the_clock_stands_still_while_more_waits_or_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.sources.bus._now_ms", lambda: BEGAN_MS)
    reader = ScriptedReader(look(1, 2, 3), look(4), look(), look(5, end_ms=BEGAN_MS))
    assert [poll.now_ms for poll in polls(part_of(reader), 4)] == [None, None, BEGAN_MS]


@pytest.mark.parametrize(("away_s", "still_s"), [(0.9, 0.0), (5.0, 5.0), (600.0, 30.0)])
def test_after_an_outage_the_clock_waits_for_those_who_kept_their_events(
    monkeypatch: pytest.MonkeyPatch, away_s: float, still_s: float
) -> None:
    now_ms = BEGAN_MS

    class Ends(ScriptedReader):
        def read(self, after: str | None, count: int) -> BusLook:
            return look(end_ms=now_ms)

    monkeypatch.setattr("flows.sources.bus._now_ms", lambda: now_ms)
    part = part_of(Ends())
    assert [poll.now_ms for poll in polls(part, 1)] == [BEGAN_MS]
    back_ms = now_ms = BEGAN_MS + round(away_s * 1000)
    ticks: list[int | None] = []
    while not ticks:
        ticks += [poll.now_ms for poll in polls(part, 1)]
        now_ms += 0 if ticks else 100
    assert ticks == [back_ms + round(still_s * 1000)]


def test_an_end_that_is_long_known_is_no_news() -> None:
    ends = [BEGAN_MS, BEGAN_MS, BEGAN_MS, *range(BEGAN_MS + 5_000, BEGAN_MS + 10_001, 500)]
    found = polls(part_of(ScriptedReader(*(look(end_ms=end) for end in ends))), len(ends))
    assert [poll.now_ms for poll in found] == [BEGAN_MS, BEGAN_MS + 10_000]


def test_what_two_snapshots_hold_is_let_go() -> None:
    reader = ScriptedReader(look(1), look(2), look(3))
    part = part_of(reader)
    for _ in range(3):
        list(part.next_batch())
        part.snapshot()
    assert reader.let_go == ["1"]
    for _ in range(4):
        list(part.next_batch())
        part.snapshot()
    assert reader.let_go == ["1", "2", "3"]


def test_a_bus_that_is_away_is_waited_for() -> None:
    reader = ScriptedReader(AWAY, AWAY, look(1))
    assert [poll.raws for poll in polls(part_of(reader), 1)] == [[b"1"]]
    assert reader.asked == [None, None, None]


@pytest.mark.parametrize("looks", [(), (AWAY,)])
def test_told_to_stop_it_stops_even_while_the_bus_is_away(looks: tuple[BusUnavailable, ...]) -> None:
    asked: list[bool] = []

    def stopping() -> bool:
        asked.append(True)
        return len(asked) > len(looks)

    part = part_of(ScriptedReader(*looks), stopping=stopping)
    with pytest.raises(StopIteration):
        part.next_batch()


def test_it_looks_again_at_once_only_while_entries_come() -> None:
    reader = ScriptedReader(look(1, 2, 3), look(), look(), look(4, end_ms=BEGAN_MS))
    part = part_of(reader)
    list(part.next_batch())
    assert part.next_awake() is None
    for _ in range(3):
        list(part.next_batch())
        awake = part.next_awake()
        assert awake is not None
        assert (awake - datetime.now(UTC)).total_seconds() < 0.03


def test_it_looks_less_often_only_once_nothing_has_come_for_a_while() -> None:
    def rests_s(*looks: BusLook) -> list[float]:
        part = part_of(ScriptedReader(*looks))
        rests = []
        for _ in looks:
            began = datetime.now(UTC)
            list(part.next_batch())
            rests.append(((part.next_awake() or began) - began).total_seconds())
        return rests

    lively, quiet = rests_s(look(1, end_ms=BEGAN_MS), *[look()] * 4), rests_s(*[look()] * 4)
    assert max(lively) < 0.010, "five milliseconds each, while the next burst is not far"
    assert quiet[-1] >= 0.025


def test_a_backlog_is_long_while_any_partition_is_far_behind() -> None:
    backlog = Backlog()
    assert not backlog.is_long()
    backlog.note(0, Lag(0.0, 0))
    backlog.note(1, Lag(60.0, None))
    assert backlog.is_long()
    backlog.note(1, Lag(2.0, 900))
    assert not backlog.is_long()


def test_how_far_it_is_behind() -> None:
    now_ms = time.time_ns() // 1_000_000
    lags: list[Lag] = []
    old = BusLook([entry(1, now_ms - 60_000)], None, 40)
    reader = ScriptedReader(old, look(waiting=39), look(end_ms=now_ms, waiting=0), look(end_ms=now_ms - 9_000))
    polls(part_of(reader, lags=lags), 4)
    assert [round(lag.seconds) for lag in lags] == [60, 60, 0, 0]
    assert [lag.events for lag in lags] == [40, 39, 0, None]


def test_while_no_end_is_known_it_falls_behind() -> None:
    now_ms = time.time_ns() // 1_000_000
    lags: list[Lag] = []
    part = part_of(ScriptedReader(look(end_ms=now_ms - 9_000), look()), lags=lags)
    polls(part, 2)
    assert [round(lag.seconds) for lag in lags] == [9, 9]


def test_it_closes_its_reader() -> None:
    reader = ScriptedReader()
    part_of(reader).close()
    assert reader.closed
