import asyncio
from collections.abc import Sequence

import pytest

from gateway.ingest.bus_batcher import GROUP_EVENTS, WAITING_BYTES, BatcherFull, BusBatcher
from state.bus.protocol import BusFull, BusUnavailable, OutgoingEvent


class SlowBus:
    """Keeps what it is given, when the test lets it; refuses the customers the test names."""

    def __init__(self) -> None:
        self.appends: list[list[str]] = []
        self.open = asyncio.Event()
        self.full_for: set[str] = set()
        self.error: Exception | None = None

    async def append(self, events: Sequence[OutgoingEvent]) -> None:
        customers = [event.customer_id for event in events]
        await self.open.wait()
        if self.error is not None:
            raise self.error
        if self.full_for & set(customers):
            raise BusFull(0, 5, len(events), 5)
        self.appends.append(customers)


def events(*customers: str) -> list[OutgoingEvent]:
    return [OutgoingEvent(customer, 0, b"{}") for customer in customers]


async def begun(lane: BusBatcher, *requests: list[OutgoingEvent]) -> list[asyncio.Task[None]]:
    tasks = []
    for request in requests:
        tasks.append(asyncio.create_task(lane.append(request)))
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    return tasks


async def test_what_comes_during_an_append_shares_the_next() -> None:
    bus = SlowBus()
    tasks = await begun(BusBatcher(bus), events("a"), events("b", "c"), events("d"))
    bus.open.set()
    await asyncio.gather(*tasks)
    assert bus.appends == [["a"], ["b", "c", "d"]]


async def test_a_group_has_an_end() -> None:
    bus = SlowBus()
    many = events(*["x"] * (GROUP_EVENTS - 1))
    tasks = await begun(BusBatcher(bus), events("a"), many, events("b"), events("c"))
    bus.open.set()
    await asyncio.gather(*tasks)
    assert [len(each) for each in bus.appends] == [1, GROUP_EVENTS, 1]


async def test_a_full_partition_refuses_only_its_own() -> None:
    bus = SlowBus()
    bus.full_for = {"full"}
    tasks = await begun(BusBatcher(bus), events("a"), events("b"), events("full"), events("c"))
    bus.open.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in outcomes] == [type(None), type(None), BusFull, type(None)]
    assert bus.appends == [["a"], ["b"], ["c"]]


async def test_a_bus_that_is_away_is_an_answer_to_all_who_wait_and_the_lane_goes_on() -> None:
    bus = SlowBus()
    lane = BusBatcher(bus)
    bus.error = BusUnavailable("adding to the bus", "localhost:1", "gone", "refused", "see that it runs")
    tasks = await begun(lane, events("a"), events("b"))
    bus.open.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert outcomes == [bus.error, bus.error]
    bus.error = None
    await lane.append(events("c"))
    assert bus.appends == [["c"]]


async def test_a_request_that_is_given_up_takes_nobody_with_it() -> None:
    bus = SlowBus()
    tasks = await begun(BusBatcher(bus), events("a"), events("b"), events("c"))
    tasks[1].cancel()
    bus.open.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in outcomes] == [type(None), asyncio.CancelledError, type(None)]
    assert bus.appends[0] == ["a"]


async def test_a_mistake_of_ours_reaches_the_request_and_not_the_lane() -> None:
    bus = SlowBus()
    bus.open.set()
    bus.error = ZeroDivisionError("oops")
    lane = BusBatcher(bus)
    with pytest.raises(ZeroDivisionError, match="oops"):
        await lane.append(events("a"))
    bus.error = None
    await lane.append(events("b"))
    assert bus.appends == [["b"]]


async def test_what_waits_for_a_bus_that_hangs_is_bounded_and_there_is_room_again_afterwards() -> None:
    bus = SlowBus()
    lane = BusBatcher(bus)
    half = [OutgoingEvent("a", 0, b"x" * (WAITING_BYTES // 2))]
    tasks = await begun(lane, half, half)
    with pytest.raises(BatcherFull) as full:
        await lane.append(events("late"))
    assert str(full.value) == (
        f"waiting for the bus: found {WAITING_BYTES} bytes of at most {WAITING_BYTES}, no room for 2 more; "
        "send again later; if it stays so, see that Redis or Kafka keeps up, or run more gateways"
    )
    bus.open.set()
    await asyncio.gather(*tasks)
    await lane.append(events("later"))
    assert bus.appends[-1] == ["later"]
