"""Feedback: the state changes on the board, and the engine hears of it as an event of the customer's."""

import json

import pytest

from gateway.auth.tokens import AGENT, CHATBOT, Token
from gateway.services.hint_feedback import NO_OPINION, Feedback, FeedbackRefused, Opinion
from operators.records.events import Event, read_event
from state.bus.protocol import BusFull
from state.bus.redis import RedisBusReader, RedisBusWriter
from state.redis.connections import StoreUnavailable, connect_async
from tests.gateway.push_house import Bus
from tests.parts.redis_server import RedisServer
from tests.state.houses import NOON_MS, House, RedisHouse, make_hint

AGENT_TOKEN = Token("d1", AGENT, NOON_MS)
BOT_TOKEN = Token("bot", CHATBOT, NOON_MS)


@pytest.fixture
def house(house: House) -> House:
    house.store.place(make_hint("h1"), "d1")
    return house


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture
def feedback(house: House, bus: Bus) -> Feedback:
    return Feedback(house.board, bus, lambda: NOON_MS)


@pytest.mark.parametrize(
    ("state", "event"), [("shown", "Hint Shown"), ("used", "Hint Used"), ("dismissed", "Hint Dismissed")]
)
async def test_a_report_changes_the_state_and_tells_the_engine(
    house: House, bus: Bus, feedback: Feedback, state: str, event: str
) -> None:
    change = await feedback.report("h1", state, NO_OPINION, AGENT_TOKEN)
    assert (change.changed, change.state, change.customer_id) == (True, state, "anna")
    told = bus.events[0]
    assert told.pop("messageId")
    assert told == {
        "customer": "anna",
        "type": "track",
        "event": event,
        "userId": "anna",
        "timestamp": "2027-01-15T08:00:00.000Z",
        "properties": {"hint_id": "h1", "surface": "desk", "agent_id": "d1"},
        "context": {"channel": "server", "library": {"name": "zhiyin-gateway"}},
    }
    known = await house.board.hint("h1")
    assert known is not None
    assert known["state"] == state


async def test_a_bot_is_no_agent_and_helpful_is_passed_on(bus: Bus, feedback: Feedback) -> None:
    await feedback.report("h1", "used", Opinion(helpful=False), BOT_TOKEN)
    expected = {"hint_id": "h1", "surface": "chatbot", "journey": "policy_loan", "helpful": False}
    assert bus.events[0]["properties"] == expected


async def test_the_engine_can_read_what_it_is_told(bus: Bus, feedback: Feedback) -> None:
    await feedback.report("h1", "used", Opinion(helpful=True), AGENT_TOKEN)
    event = read_event(json.dumps(bus.events[0]).encode())
    assert isinstance(event, Event)
    assert event.properties is not None
    assert (event.customer_id, event.properties.hint_id, event.properties.helpful) == ("anna", "h1", True)


async def test_the_reason_an_agent_found_is_passed_on(bus: Bus, feedback: Feedback) -> None:
    await feedback.report("h1", "dismissed", Opinion(reason="sms_problem"), AGENT_TOKEN)
    said = {"surface": "desk", "agent_id": "d1", "journey": "policy_loan", "reason": "sms_problem"}
    assert bus.events[0]["properties"] == {"hint_id": "h1", **said}


async def test_the_same_report_twice_is_the_same_event_and_an_opinion_is_another(bus: Bus, feedback: Feedback) -> None:
    opinions = (NO_OPINION, NO_OPINION, Opinion(helpful=False), Opinion(helpful=False, reason="sms_problem"))
    changes = [await feedback.report("h1", "used", opinion, AGENT_TOKEN) for opinion in opinions]
    assert [change.changed for change in changes] == [True, False, False, False]
    ids = [event["messageId"] for event in bus.events]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


async def test_a_report_that_failed_half_way_is_told_when_it_is_repeated(bus: Bus, feedback: Feedback) -> None:
    bus.failure = BusFull(0, 10, 1, 10)
    with pytest.raises(BusFull, match="bus partition 0: holds 10 events of at most 10"):
        await feedback.report("h1", "used", NO_OPINION, AGENT_TOKEN)
    bus.failure = None
    await feedback.report("h1", "used", NO_OPINION, AGENT_TOKEN)
    assert [event["event"] for event in bus.events] == ["Hint Used"]


async def test_a_hint_nobody_knows(bus: Bus, feedback: Feedback) -> None:
    with pytest.raises(FeedbackRefused, match="hint h2: found no such hint, expected one") as caught:
        await feedback.report("h2", "used", NO_OPINION, AGENT_TOKEN)
    assert (caught.value.code, caught.value.hint_id, caught.value.wanted) == ("unknown_hint", "h2", "used")
    assert bus.events == []


async def test_a_hint_that_is_over_in_another_way(bus: Bus, feedback: Feedback) -> None:
    await feedback.report("h1", "dismissed", NO_OPINION, AGENT_TOKEN)
    with pytest.raises(FeedbackRefused, match="found a hint that is dismissed, expected one") as caught:
        await feedback.report("h1", "used", NO_OPINION, BOT_TOKEN)
    assert (caught.value.code, caught.value.found) == ("not_open", "a hint that is dismissed")
    assert len(bus.events) == 1


async def test_another_desks_hint_is_not_ours_to_report(house: House, bus: Bus, feedback: Feedback) -> None:
    with pytest.raises(FeedbackRefused, match="found one of another desk, expected one of yours") as caught:
        await feedback.report("h1", "used", NO_OPINION, Token("d2", AGENT, NOON_MS))
    assert caught.value.code == "not_yours"
    known = await house.board.hint("h1")
    assert known is not None
    assert known["state"] == "created"
    assert bus.events == []


async def test_onto_the_real_bus(redis_server: RedisServer) -> None:
    house = RedisHouse(redis_server.url)
    house.store.place(make_hint("h1"), "d1")
    client = connect_async(redis_server.url)
    feedback = Feedback(house.board, RedisBusWriter(client, 1, 100), lambda: NOON_MS)
    await feedback.report("h1", "used", Opinion(helpful=True), AGENT_TOKEN)
    entries = RedisBusReader(house.client, 0).read(None, 10).entries
    assert [(each.customer_id, each.time_ms) for each in entries] == [("anna", NOON_MS)]
    redis_server.stop()
    with pytest.raises(StoreUnavailable, match="see that it runs and that REDIS_URL names it"):
        await feedback.report("h1", "used", Opinion(helpful=True), AGENT_TOKEN)
    await client.aclose()
    await house.close()
