"""The hub: one reader, every listener told everything from where it began, in order, once."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.push.channel_entry import ChannelEvent, read_channel_event
from gateway.push.hub import BLOCK_MS, ENTRIES_AT_ONCE, RECOVERED_AT_MOST, Hub, Start
from operators.hints.hint import Retirement
from state.redis.connections import StoreUnavailable
from tests.parts.redis_server import RedisServer
from tests.state.houses import HOUR_MS, NOON_MS, House, MemoryHouse, RedisHouse, make_hint

CHANNEL = "desk:d1"


class Ear:
    """A listener that writes down what it hears."""

    def __init__(self, replay_pause_s: float = 0.0) -> None:
        self.start: Start | None = None
        self.offsets: list[int] = []
        self.shown: list[str | None] = []
        self.said: list[str] = []
        self._replay_pause_s = replay_pause_s
        self._news = asyncio.Event()

    def on_start(self, start: Start) -> None:
        self.start = start

    async def on_replay(self, told: ChannelEvent) -> None:
        self.on_event(told)
        await asyncio.sleep(self._replay_pause_s)

    def on_event(self, told: ChannelEvent) -> None:
        self.offsets.append(told.offset)
        self.shown.append(told.announces)
        self._news.set()

    def on_stale(self, since_ms: int) -> None:
        self._say(f"stale {since_ms}")

    def on_fresh(self) -> None:
        self._say("fresh")

    def on_lost(self) -> None:
        self._say("lost")

    async def until(self, so: Callable[[], bool]) -> None:
        async with asyncio.timeout(120):
            while not so():
                await self._news.wait()
                self._news.clear()

    def _say(self, words: str) -> None:
        self.said.append(words)
        self._news.set()


@pytest.fixture
async def hub(house: House) -> AsyncIterator[Hub]:
    made = Hub(house.board, lambda: house.now_ms)
    made.start()
    yield made
    await made.stop()


def tell(house: House, *names: str, desk: str = "d1", lifetime_ms: int = HOUR_MS) -> None:
    for name in names:
        house.store.place(make_hint(name, expires_at_ms=NOON_MS + lifetime_ms), desk)


async def until_heard(ear: Ear, offset: int) -> None:
    await ear.until(lambda: offset in ear.offsets)


async def until_said(ear: Ear, word: str) -> None:
    await ear.until(lambda: any(each.startswith(word) for each in ear.said))


async def test_without_a_place_one_starts_at_the_tip(house: House, hub: Hub) -> None:
    tell(house, "before-1", "before-2")
    ear = Ear()
    await hub.join(CHANNEL, ear)
    assert ear.start is not None
    assert (ear.start.offset, ear.start.recovered) == (2, False)
    tell(house, "after")
    await until_heard(ear, 3)
    assert ear.offsets == [3]


async def test_everything_missed_is_told_and_then_what_is_new(house: House, hub: Hub) -> None:
    tell(house, *(f"h{number}" for number in range(1, 251)))
    epoch = (await house.board.position(CHANNEL)).epoch
    ear = Ear()
    await hub.join(CHANNEL, ear, epoch, 3)
    assert ear.start == Start(epoch, 3, recovered=True)
    tell(house, "new")
    await until_heard(ear, 251)
    assert ear.offsets == list(range(4, 252))


async def test_a_place_at_the_tip_recovers_with_nothing_to_tell(house: House, hub: Hub) -> None:
    tell(house, "a")
    epoch = (await house.board.position(CHANNEL)).epoch
    ear = Ear()
    await hub.join(CHANNEL, ear, epoch, 1)
    assert ear.start == Start(epoch, 1, recovered=True)
    assert ear.offsets == []


@pytest.mark.parametrize(("epoch", "offset"), [("another", 1), (None, 5), (None, 1_000_000)])
async def test_a_place_that_is_not_there_starts_at_the_tip(
    house: House, hub: Hub, epoch: str | None, offset: int
) -> None:
    tell(house, "a", "b")
    position = await house.board.position(CHANNEL)
    ear = Ear()
    await hub.join(CHANNEL, ear, epoch or position.epoch, offset)
    assert ear.start == Start(position.epoch, 2, recovered=False)
    assert ear.offsets == []


async def test_what_is_no_longer_kept_is_never_told_in_part() -> None:
    house = MemoryHouse(kept_events=5)
    tell(house, *(f"h{number}" for number in range(1, 11)))
    epoch = (await house.board.position(CHANNEL)).epoch
    hub = Hub(house.board, lambda: NOON_MS)
    for offset, recovered in ((4, False), (5, True)):
        ear = Ear()
        await hub.join(CHANNEL, ear, epoch, offset)
        assert ear.start is not None
        assert ear.start.recovered is recovered
        assert ear.offsets == ([6, 7, 8, 9, 10] if recovered else [])


async def test_who_missed_very_much_reloads() -> None:
    house = MemoryHouse()
    tell(house, *(f"h{number}" for number in range(RECOVERED_AT_MOST + 1)))
    epoch = (await house.board.position(CHANNEL)).epoch
    hub = Hub(house.board, lambda: NOON_MS)
    far, near = Ear(), Ear()
    await hub.join(CHANNEL, far, epoch, 0)
    await hub.join(CHANNEL, near, epoch, 1)
    assert far.start is not None
    assert not far.start.recovered
    assert near.offsets == list(range(2, RECOVERED_AT_MOST + 2))


async def test_expired_hints_are_left_out_of_a_replay_and_their_end_is_told(house: House, hub: Hub) -> None:
    tell(house, "short", lifetime_ms=1_000)
    tell(house, "long")
    house.store.retire(Retirement("short", "anna", "expired", NOON_MS + 1_000))
    house.now_ms = NOON_MS + 2_000
    epoch = (await house.board.position(CHANNEL)).epoch
    ear = Ear()
    await hub.join(CHANNEL, ear, epoch, 0)
    assert ear.start == Start(epoch, 0, recovered=True)
    assert ear.offsets == [2, 3]


async def test_what_comes_during_a_slow_replay_is_told_after_it_once(house: House, hub: Hub) -> None:
    tell(house, *(f"h{number}" for number in range(1, 31)))
    epoch = (await house.board.position(CHANNEL)).epoch
    quick, slow = Ear(), Ear(replay_pause_s=0.002)
    await hub.join(CHANNEL, quick, epoch, 0)
    joining = asyncio.create_task(hub.join(CHANNEL, slow, epoch, 0))
    for number in range(31, 61):
        tell(house, f"h{number}")
        await asyncio.sleep(0.002)
    await joining
    tell(house, "last")
    for ear in (quick, slow):
        await until_heard(ear, 61)
        assert ear.offsets == list(range(1, 62))


async def test_a_new_channel_is_read_at_once_while_others_are_silent(house: House, hub: Hub) -> None:
    await hub.join("desk:silent", Ear())
    await asyncio.sleep(0.3)
    ear = Ear()
    await hub.join(CHANNEL, ear)
    began = asyncio.get_running_loop().time()
    tell(house, "a")
    await until_heard(ear, 1)
    assert asyncio.get_running_loop().time() - began < 1.0


async def test_who_has_left_hears_nothing_and_the_others_do(house: House, hub: Hub) -> None:
    gone, here = Ear(), Ear()
    await hub.join(CHANNEL, gone)
    await hub.join(CHANNEL, here)
    hub.leave(CHANNEL, gone)
    hub.leave("desk:nobody-ever-joined", gone)
    tell(house, "a")
    await until_heard(here, 1)
    assert gone.offsets == []


async def test_one_listener_that_breaks_does_not_take_the_others_along(house: House, hub: Hub) -> None:
    class Broken(Ear):
        def on_event(self, told: ChannelEvent) -> None:
            raise ValueError(f"cannot hear {told.offset}")

    broken, here = Broken(), Ear()
    await hub.join(CHANNEL, broken)
    await hub.join(CHANNEL, here)
    tell(house, "a", "b")
    await until_heard(here, 2)
    assert here.offsets == [1, 2]
    assert broken.said == ["lost"]


async def test_entries_that_went_before_they_were_read_are_a_loss_not_a_gap() -> None:
    house = MemoryHouse(kept_events=5)
    hub = Hub(house.board, lambda: NOON_MS)
    ear = Ear()
    await hub.join(CHANNEL, ear)
    tell(house, *(f"h{number}" for number in range(10)))
    hub.start()
    await until_said(ear, "lost")
    assert ear.offsets == []
    again = Ear()
    await hub.join(CHANNEL, again, *_place(ear, 7))
    assert again.offsets == [8, 9, 10]
    await hub.stop()


def _place(ear: Ear, offset: int) -> tuple[str, int]:
    assert ear.start is not None
    return ear.start.epoch, offset


async def test_redis_that_goes_away_and_comes_back_with_its_data(redis_server: RedisServer) -> None:
    house = RedisHouse(redis_server.url)
    hub = Hub(house.board, lambda: NOON_MS)
    hub.start()
    ear = Ear()
    await hub.join(CHANNEL, ear)
    tell(house, "a")
    await until_heard(ear, 1)
    redis_server.stop()
    await until_said(ear, "stale")
    assert ear.said == [f"stale {NOON_MS}"]
    assert hub.stale_since_ms == NOON_MS
    with pytest.raises(StoreUnavailable, match="asking where a channel stands: Redis at"):
        await hub.join("desk:other", Ear())
    redis_server.start()
    await until_said(ear, "fresh")
    tell(house, "b")
    await until_heard(ear, 2)
    assert ear.offsets == [1, 2]
    await hub.stop()
    await house.close()


async def test_redis_that_comes_back_empty_has_lost_the_channel(redis_server: RedisServer) -> None:
    house = RedisHouse(redis_server.url)
    hub = Hub(house.board, lambda: NOON_MS)
    hub.start()
    tell(house, "a", "b")
    ear = Ear()
    await hub.join(CHANNEL, ear)
    redis_server.kill()
    await until_said(ear, "stale")
    redis_server.start()
    house.client.flushall()
    await until_said(ear, "lost")
    again = Ear()
    await hub.join(CHANNEL, again, *_place(ear, 2))
    assert again.start is not None
    assert (again.start.recovered, again.start.offset) == (False, 0)
    await hub.stop()
    await house.close()


async def test_an_emptied_redis_is_noticed_by_who_joins(redis_url: str) -> None:
    house = RedisHouse(redis_url)
    hub = Hub(house.board, lambda: NOON_MS)
    hub.start()
    tell(house, "a", "b")
    old = Ear()
    await hub.join(CHANNEL, old)
    house.client.flushdb()
    newcomer = Ear()
    await hub.join(CHANNEL, newcomer, *_place(old, 2))
    assert old.said == ["lost"]
    assert newcomer.said == ["lost"]
    await hub.stop()
    await house.close()


async def test_what_rang_in_a_life_before_is_not_told_in_the_next(redis_url: str) -> None:
    house = RedisHouse(redis_url)
    hub = Hub(house.board, lambda: NOON_MS)
    hub.start()
    old = Ear()
    await hub.join(CHANNEL, old)
    await asyncio.sleep(2 * BLOCK_MS / 1000)
    hub.leave(CHANNEL, old)
    await asyncio.sleep(2 * BLOCK_MS / 1000)  # nobody listens now to what rings
    tell(house, "b", "c")
    house.client.flushdb()
    ear = Ear()
    await hub.join(CHANNEL, ear)
    await asyncio.sleep(2 * BLOCK_MS / 1000)  # whoever would take the old rings for news has done so
    tell(house, "d")
    await until_heard(ear, 1)
    assert (ear.shown, ear.said) == (["d"], [])
    await hub.stop()
    await house.close()


_ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("tell"), st.integers(1, 4)),
        st.tuples(st.just("join"), st.integers(0, 12)),
        st.tuples(st.just("leave"), st.integers(0, 5)),
        st.tuples(st.just("breathe"), st.integers(0, 8)),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_ACTIONS)
def test_whoever_joins_whenever_hears_everything_after_its_place_in_order_once(actions: list[tuple[str, int]]) -> None:
    asyncio.run(_play(actions))


async def _play(actions: list[tuple[str, int]]) -> None:
    house = MemoryHouse()
    hub = Hub(house.board, lambda: NOON_MS)
    hub.start()
    epoch = (await house.board.position(CHANNEL)).epoch
    ears: list[Ear] = []
    gone: dict[int, int] = {}
    joins: list[asyncio.Task[None]] = []
    told = 0
    for action, number in actions:
        if action == "tell":
            tell(house, *(f"h{told + each}" for each in range(number)))
            told += number
        elif action == "join":
            ears.append(Ear(replay_pause_s=0.0005 * (number % 2)))
            joins.append(asyncio.create_task(hub.join(CHANNEL, ears[-1], epoch, min(number, told))))
        elif action == "leave" and number < len(ears):
            await joins[number]
            hub.leave(CHANNEL, ears[number])
            gone.setdefault(number, len(ears[number].offsets))
        else:
            await asyncio.sleep(0.001 * number)
    await asyncio.gather(*joins)
    tell(house, "the last")
    told += 1
    for number, ear in enumerate(ears):
        assert ear.start is not None
        if number in gone:
            assert ear.offsets == list(range(ear.start.offset + 1, ear.start.offset + 1 + gone[number]))
        else:
            await until_heard(ear, told)
            assert ear.offsets == list(range(ear.start.offset + 1, told + 1))
    await hub.stop()


def test_an_event_that_cannot_be_read_is_passed_on_as_it_is() -> None:
    assert read_channel_event(3, b"not json") == ChannelEvent(3, b"not json", "", None, None)
    assert read_channel_event(3, b'{"time": 5}') == ChannelEvent(3, b'{"time": 5}', "", None, None)


async def test_a_large_reading_of_many_channels_leaves_turns_for_others() -> None:
    house, turns, heard = MemoryHouse(), [0], []

    class Noting(Ear):
        def on_event(self, told: ChannelEvent) -> None:
            heard.append(turns[0])
            super().on_event(told)

    async def count_turns() -> None:
        while True:
            turns[0] += 1
            await asyncio.sleep(0)

    hub = Hub(house.board, lambda: house.now_ms)
    ears = {f"d{number}": Noting() for number in range(3 * ENTRIES_AT_ONCE)}
    for desk, ear in ears.items():
        await hub.join(f"desk:{desk}", ear)
        tell(house, f"h-{desk}", desk=desk)
    hub.start()
    counting = asyncio.create_task(count_turns())
    for ear in ears.values():
        await until_heard(ear, 1)
    counting.cancel()
    await hub.stop()
    assert [heard.count(turn) for turn in sorted(set(heard))] == [ENTRIES_AT_ONCE] * 3
