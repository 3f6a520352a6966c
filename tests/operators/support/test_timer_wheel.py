from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from operators.support.timer_wheel import BUCKET_BITS, FAR_BITS, FAR_MS, TimerWheel

PHASES_MS = st.sampled_from((0, 1, 63, 64, 2_048, FAR_MS - 1))
INSTANTS = st.one_of(st.integers(0, 300), st.integers(0, 5 << FAR_BITS), st.integers(0, 1 << 40))


@dataclass
class TimedItem:
    name: int
    timer_ms: int


def taken(wheel: TimerWheel[TimedItem], before_ms: int) -> list[tuple[int, int]]:
    return [(end_ms, item.name) for end_ms, items in wheel.due(before_ms) for item in items]


@given(st.lists(INSTANTS), st.lists(INSTANTS), PHASES_MS)
def test_everything_comes_once_in_order_when_its_bucket_has_passed(
    at_ms: list[int], looks_ms: list[int], phase_ms: int
) -> None:
    wheel: TimerWheel[TimedItem] = TimerWheel(phase_ms)
    for name, each_ms in enumerate(at_ms):
        wheel.add(TimedItem(name, each_ms), each_ms)
    waiting = dict(enumerate(at_ms))
    for before_ms in [*sorted(looks_ms), 1 << 62]:
        found = taken(wheel, before_ms)
        assert [end_ms for end_ms, _ in found] == sorted(end_ms for end_ms, _ in found)
        due = {name for name, each_ms in waiting.items() if (each_ms >> BUCKET_BITS) + 1 << BUCKET_BITS <= before_ms}
        assert sorted(name for _, name in found) == sorted(due)
        assert all(waiting[name] >> BUCKET_BITS == (end_ms >> BUCKET_BITS) - 1 for end_ms, name in found)
        waiting = {name: each_ms for name, each_ms in waiting.items() if name not in due}
        assert len(wheel) == len(waiting)


@given(st.lists(st.tuples(INSTANTS, INSTANTS), min_size=1), INSTANTS, PHASES_MS)
def test_what_is_put_back_on_the_way_comes_when_it_is_due(
    times_ms: list[tuple[int, int]], before_ms: int, phase_ms: int
) -> None:
    wheel: TimerWheel[TimedItem] = TimerWheel(phase_ms)
    for name, (first_ms, _) in enumerate(times_ms):
        wheel.add(TimedItem(name, first_ms), first_ms)
    came = [0] * len(times_ms)
    for item in (item for _, items in wheel.due(before_ms) for item in items):
        came[item.name] += 1
        later_ms = times_ms[item.name][1]
        if came[item.name] == 1 and later_ms > item.timer_ms:
            item.timer_ms = later_ms
            wheel.add(item, later_ms)
    for count, (first_ms, later_ms) in zip(came, times_ms, strict=True):
        ends_ms = [(each_ms >> BUCKET_BITS) + 1 << BUCKET_BITS for each_ms in (first_ms, later_ms)]
        assert count == (ends_ms[0] <= before_ms) + (
            ends_ms[0] <= before_ms and first_ms < later_ms and ends_ms[1] <= before_ms
        )


def test_an_item_that_moved_is_not_sorted_where_it_no_longer_waits() -> None:
    wheel: TimerWheel[TimedItem] = TimerWheel()
    item = TimedItem(1, 10 << FAR_BITS)
    wheel.add(item, item.timer_ms)
    item.timer_ms = 100
    wheel.add(item, item.timer_ms)
    assert taken(wheel, 20 << FAR_BITS) == [(128, 1)]
    assert len(wheel) == 0
