"""The twin in memory and the real Redis, driven side by side: nothing that anybody can see differs."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar, get_args

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from operators.hints.hint import HintState, RetireCause, Retirement, Speak
from operators.records.catalogue import Surface
from operators.support.timestamps import iso_text
from state.hints.transitions import HintOrder, PlaceHint
from state.redis.connections import connect
from tests.state.houses import NOON_MS, House, MemoryHouse, RedisHouse, make_hint

Result = TypeVar("Result")

HINT_IDS = [f"h{n}" for n in range(6)]
CUSTOMERS = {hint_id: ("anna", "bert")[n % 2] for n, hint_id in enumerate(HINT_IDS)}
DESKS = ("d1", "d2")
KEPT_EVENTS = 6
MINUTE_MS = 60_000

hint_ids = st.sampled_from(HINT_IDS)
surfaces = st.sampled_from([("desk", "chatbot"), ("desk",), ("chatbot",)])
moments_ms = st.integers(-2, 6).map(lambda minutes: NOON_MS + minutes * MINUTE_MS)
tellings = st.builds(
    lambda hint_id, on, priority, created_ms, lasts, waits, desk: PlaceHint(
        make_hint(
            hint_id,
            customer_id=CUSTOMERS[hint_id],
            surfaces=on,
            priority=priority,
            created_at_ms=created_ms,
            expires_at_ms=created_ms + lasts * MINUTE_MS,
            speak_after_ms=None if waits is None else created_ms + waits * MINUTE_MS,
        ),
        desk,
    ),
    hint_ids,
    surfaces,
    st.sampled_from([-50, 0, 50, 150]),
    moments_ms,
    st.integers(1, 5),
    st.sampled_from([None, 0, 1, 3]),
    st.sampled_from(DESKS),
)
speaks = st.builds(lambda hint_id: Speak(hint_id, CUSTOMERS[hint_id], NOON_MS), hint_ids)
retirements = st.builds(
    lambda hint_id, cause, at_ms: Retirement(hint_id, CUSTOMERS[hint_id], cause, at_ms),
    hint_ids,
    st.sampled_from(get_args(RetireCause)),
    moments_ms,
)
orders = st.one_of(tellings, speaks, retirements)


class Twins(RuleBasedStateMachine):
    """The same orders for both; after each, everything visible is compared."""

    url: str
    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        super().__init__()
        with connect(self.url) as client:
            client.flushdb()
        self.memory: House = MemoryHouse(KEPT_EVENTS)
        self.redis: House = RedisHouse(self.url, KEPT_EVENTS)

    def teardown(self) -> None:
        self.wait_for(self.redis.close())

    def wait_for(self, result: Awaitable[Result]) -> Result:
        async def waited() -> Result:
            return await result

        return self.loop.run_until_complete(waited())

    @rule(written=st.lists(orders, min_size=1, max_size=6))
    def write(self, written: list[HintOrder]) -> None:
        assert self.memory.store.write(written) == self.redis.store.write(written)

    @rule(told=tellings)
    def tell(self, told: PlaceHint) -> None:
        assert self.memory.store.write((told,)) == self.redis.store.write((told,))

    @rule(hint_id=hint_ids, state=st.sampled_from([*get_args(HintState), "shown", "used", "nonsense"]))
    def change_state(self, hint_id: str, state: str) -> None:
        now_ms = self.memory.now_ms
        one = self.wait_for(self.memory.board.change_state(hint_id, state, now_ms))
        assert one == self.wait_for(self.redis.board.change_state(hint_id, state, now_ms))

    @rule(minutes=st.sampled_from([0.5, 1, 2]))
    def time_goes_on(self, minutes: float) -> None:
        self.memory.now_ms += int(minutes * MINUTE_MS)
        self.redis.now_ms = self.memory.now_ms

    @invariant()
    def nothing_differs(self) -> None:
        assert self.wait_for(seen(self.memory)) == self.wait_for(seen(self.redis))


async def seen(house: House) -> dict[str, object]:
    """Everything that bots, desks and the API can see; what a bot reads of Redis both before and after a look-up."""
    found: dict[str, object] = {}
    for customer in sorted(set(CUSTOMERS.values())):
        found[f"unexpired in the document of {customer}"] = await _unexpired(house, customer)
        for surface in get_args(Surface):
            found[f"{surface} of {customer}"] = await house.board.next_hints(customer, house.now_ms, surface)
        found[f"document of {customer} after a look-up"] = await house.chatbot_document(customer)
    for desk in DESKS:
        found[desk] = await house.board.desk_hints(desk, house.now_ms)
    for hint_id in HINT_IDS:
        found[hint_id] = await house.board.hint(hint_id)
    for channel in ("chatbot", *(f"desk:{desk}" for desk in DESKS)):
        position = await house.board.position(channel)
        found[channel] = (position.offset, position.oldest, await house.entries(channel))
    return found


async def _unexpired(house: House, customer: str) -> list[dict[str, object]]:
    """The clock of these tests is not that of Redis: what it has not let go yet is left out here."""
    document = await house.chatbot_document(customer)
    hints = [] if document is None else document["hints"]
    return [hint for hint in hints if hint["expires_at"] > iso_text(house.now_ms)]


def test_the_twins_never_differ(any_redis_url: str) -> None:
    with asyncio.Runner() as runner:
        machine = type("TwinsHere", (Twins,), {"url": any_redis_url, "loop": runner.get_loop()})
        wanted = settings(
            max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        )
        run_state_machine_as_test(machine, settings=wanted)
