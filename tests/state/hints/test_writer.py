"""The contract of hint stores and boards, the same in memory and on Redis."""

import asyncio
import json
import time
from typing import get_args

import msgspec
import pytest

from operators.hints.hint import HintState, RetireCause, Retirement, hint_document, may_become
from state.hints.repository import StateChange
from state.hints.transitions import STATES, PlaceHint
from state.redis.channels import ChannelPosition
from tests.parts.pace import slowness_since
from tests.state.houses import HOUR_MS, NOON_MS, House, make_hint, speak


def retirement(name: str = "h1", cause: RetireCause = "completed") -> Retirement:
    return Retirement(name, "anna", cause, NOON_MS + 5_000)


async def test_told_once_and_seen_everywhere(house: House) -> None:
    hint = make_hint()
    assert house.store.place(hint, "d1") is True
    assert house.store.place(hint, "d1") is False
    document = json.loads(msgspec.json.encode(hint_document(hint)))
    assert await house.chatbot_document() == {"customer_id": "anna", "hints": [document]}
    assert await house.board.next_hints("anna", house.now_ms) == [{**document, "state": "created"}]
    assert await house.board.desk_hints("d1", house.now_ms) == [{**document, "state": "created"}]
    assert await house.board.hint("h1") == {**document, "state": "created"}
    assert await house.told_words("desk:d1") == ["created h1"]
    assert await house.told_words("chatbot") == ["created h1"]
    assert await house.desk_ids("d2") == []


async def test_not_told_again_after_its_end(house: House) -> None:
    house.store.place(make_hint(), "d1")
    house.store.retire(retirement())
    assert house.store.place(make_hint(), "d1") is False
    assert await house.next_ids() == []
    assert await house.told_words("desk:d1") == ["created h1", "retired h1"]


async def test_best_first_and_at_most_three(house: House) -> None:
    for name, priority, created in (("a", 10, 0), ("b", 90, 0), ("c", 50, 0), ("d", 50, 7), ("e", -5, 9)):
        house.store.place(make_hint(name, priority=priority, created_at_ms=NOON_MS + created), "d1")
    assert await house.chatbot_ids() == ["b", "d", "c"]
    assert await house.next_ids() == ["b", "d", "c"]
    house.store.retire(retirement("b"))
    house.store.retire(retirement("d"))
    assert await house.chatbot_ids() == ["c", "a", "e"]
    assert await house.desk_ids() == ["e", "c", "a"]


async def test_equal_hints_have_one_order(house: House) -> None:
    for name in ("a", "c", "b"):
        house.store.place(make_hint(name), "d1")
    assert await house.chatbot_ids() == await house.next_ids() == ["c", "b", "a"]


async def test_retired_everywhere_at_once(house: House) -> None:
    house.store.place(make_hint(), "d1")
    assert house.store.retire(retirement()) is True
    assert house.store.retire(retirement()) is False
    assert await house.chatbot_document() is None
    assert await house.next_ids() == await house.desk_ids() == []
    found = await house.board.hint("h1")
    assert found is not None
    assert found["state"] == "retired"
    for channel in ("desk:d1", "chatbot"):
        event = (await house.told(channel))[-1]
        assert event["type"] == "zhiyin.hint.retired"
        assert event["correlationid"] == "t-1"
        assert event["data"] == {
            "hint_id": "h1",
            "customer_id": "anna",
            "state": "retired",
            "cause": "completed",
            "at": "2027-01-15T08:00:05.000Z",
        }


async def test_unknown_hints_are_not_retired_nor_spoken(house: House) -> None:
    assert house.store.retire(retirement("nobody's")) is False
    assert house.store.speak(speak("nobody's")) is False
    assert await house.board.hint("nobody's") is None
    unknown = StateChange(changed=False, state=None, customer_id=None, desk_id=None)
    assert await house.board.change_state("nobody's", "used", house.now_ms) == unknown


@pytest.mark.parametrize("cause", get_args(RetireCause))
async def test_state_after_each_cause(house: House, cause: RetireCause) -> None:
    house.store.place(make_hint(), "d1")
    house.store.retire(retirement(cause=cause))
    found = await house.board.hint("h1")
    assert found is not None
    assert found["state"] == (cause if cause in ("used", "dismissed", "expired") else "retired")


async def test_spoken_when_its_time_has_come(house: House) -> None:
    house.store.place(make_hint(speak_after_ms=NOON_MS + 60_000), "d1")
    assert await house.told_words("chatbot") == []
    assert await house.chatbot_ids() == ["h1"]
    house.now_ms += 60_000
    assert house.store.speak(speak()) is True
    assert house.store.speak(speak()) is False
    assert await house.told_words("chatbot") == ["created h1"]
    assert await house.told("chatbot") == await house.told("desk:d1")


async def test_never_spoken_when_it_may_not(house: House) -> None:
    house.store.place(make_hint(speak_after_ms=None), "d1")
    assert house.store.speak(speak()) is False
    assert await house.told_words("chatbot") == []


async def test_not_spoken_after_its_end_or_expiry(house: House) -> None:
    for name in ("over", "late"):
        house.store.place(make_hint(name, speak_after_ms=NOON_MS + HOUR_MS), "d1")
    house.store.retire(retirement("over"))
    assert house.store.speak(speak("over")) is False
    house.now_ms += HOUR_MS
    assert house.store.speak(speak("late")) is False
    assert await house.told_words("chatbot") == ["retired over"]


async def test_told_only_on_its_surfaces(house: House) -> None:
    house.store.place(make_hint("d", surfaces=("desk",)), "d1")
    house.store.place(make_hint("c", surfaces=("chatbot",)), "d1")
    assert await house.desk_ids() == ["d"]
    assert await house.chatbot_ids() == await house.next_ids() == ["c"]
    assert [hint["hint_id"] for hint in await house.board.next_hints("anna", house.now_ms, "desk")] == ["d"]
    for name in ("d", "c"):
        house.store.retire(retirement(name))
    assert await house.told_words("desk:d1") == ["created d", "retired d"]
    assert await house.told_words("chatbot") == ["created c", "retired c"]


async def test_expired_hints_are_shown_to_nobody(house: House) -> None:
    house.store.place(make_hint("short", expires_at_ms=NOON_MS + 1_000, priority=99), "d1")
    house.store.place(make_hint("long"), "d1")
    assert await house.chatbot_ids() == ["short", "long"]
    house.now_ms += 1_000
    assert await house.next_ids() == ["long"]
    assert await house.chatbot_ids() == ["long"]
    assert await house.desk_ids() == ["long"]
    house.now_ms += HOUR_MS
    assert await house.next_ids() == await house.desk_ids() == []
    assert await house.chatbot_document() is None


async def test_told_too_late_is_recorded_and_shown_to_nobody(house: House) -> None:
    house.now_ms = NOON_MS + HOUR_MS
    assert house.store.place(make_hint(), "d1") is True
    assert house.store.place(make_hint(), "d1") is False
    found = await house.board.hint("h1")
    assert found is not None
    assert found["state"] == "expired"
    assert await house.next_ids() == await house.desk_ids() == []
    assert await house.chatbot_document() is None
    assert await house.told_words("desk:d1") == await house.told_words("chatbot") == []
    assert house.store.retire(retirement()) is False


async def test_shown_is_told_to_the_desk_only(house: House) -> None:
    house.store.place(make_hint(), "d1")
    changed = await house.board.change_state("h1", "shown", NOON_MS + 1_000)
    assert changed == StateChange(changed=True, state="shown", customer_id="anna", desk_id="d1")
    again = await house.board.change_state("h1", "shown", NOON_MS + 2_000)
    assert again == StateChange(changed=False, state="shown", customer_id="anna", desk_id="d1")
    assert await house.told_words("desk:d1") == ["created h1", "shown h1"]
    assert await house.told_words("chatbot") == ["created h1"]
    assert await house.chatbot_ids() == await house.desk_ids() == ["h1"]


async def test_delivered_is_quiet(house: House) -> None:
    house.store.place(make_hint(), "d1")
    assert (await house.board.change_state("h1", "delivered", NOON_MS)).changed
    assert await house.told_words("desk:d1") == await house.told_words("chatbot") == ["created h1"]
    assert (await house.board.next_hints("anna", NOON_MS))[0]["state"] == "delivered"


@pytest.mark.parametrize("state", ["used", "dismissed"])
async def test_used_on_one_surface_goes_from_all(house: House, state: str) -> None:
    house.store.place(make_hint(), "d1")
    assert (await house.board.change_state("h1", state, NOON_MS + 1_000)).changed
    assert await house.told_words("desk:d1") == ["created h1", f"{state} h1"]
    assert await house.told_words("chatbot") == ["created h1", "retired h1"]
    data = (await house.told("chatbot"))[-1]["data"]
    assert (data["state"], data["cause"]) == (state, state)
    assert await house.chatbot_document() is None
    assert await house.next_ids() == await house.desk_ids() == []
    assert house.store.retire(retirement()) is False


@pytest.mark.parametrize("wanted", [*get_args(HintState), "helped"])
@pytest.mark.parametrize("state", get_args(HintState))
async def test_states_move_as_the_rule_says(house: House, state: str, wanted: str) -> None:
    house.store.place(make_hint(), "d1")
    if state != "created":
        assert (await house.board.change_state("h1", state, NOON_MS)).changed
    found = await house.board.change_state("h1", wanted, NOON_MS)
    allowed = may_become(state, wanted)
    assert (found.changed, found.state) == (allowed, wanted if allowed else state)


def test_the_states_are_those_of_hints() -> None:
    assert set(STATES) == set(get_args(HintState))


async def test_a_list_is_carried_out_in_its_order(house: House) -> None:
    later = make_hint("h2", speak_after_ms=NOON_MS + 1)
    orders = (
        retirement("h1"),
        PlaceHint(make_hint("h1"), "d1"),
        PlaceHint(make_hint("h1"), "d1"),
        PlaceHint(later, "d2"),
        speak("h2"),
        retirement("h1"),
        retirement("h1"),
        retirement("h2", "returned"),
    )
    assert house.store.write(orders) == [False, True, False, True, True, True, False, True]
    assert house.store.write(orders) == [False] * len(orders)
    assert house.store.write(()) == []
    assert await house.told_words("chatbot") == ["created h1", "created h2", "retired h1", "retired h2"]
    assert await house.told_words("desk:d2") == ["created h2", "retired h2"]


async def test_odd_ids_stay_apart(house: House) -> None:
    odd = ["anna:documents", "anna", "{}", "a b\n", "知音", '"', "\\", "\x00", ""]
    for number, customer_id in enumerate(odd):
        house.store.place(make_hint(f"h{number}:epoch", customer_id=customer_id), f"desk {number}:epoch")
    for number, customer_id in enumerate(odd):
        found = await house.chatbot_document(customer_id)
        assert found is not None
        assert found["customer_id"] == customer_id
        assert await house.next_ids(customer_id) == await house.desk_ids(f"desk {number}:epoch") == [f"h{number}:epoch"]
        assert house.store.retire(Retirement(f"h{number}:epoch", customer_id, "returned", NOON_MS)) is True


async def test_empty_lists_stay_lists(house: House) -> None:
    house.store.place(make_hint(explanation=(), transaction_id=None, step=None, step_title=None), "d1")
    house.store.place(make_hint("h2"), "d1")
    found = await house.chatbot_document()
    assert found is not None
    assert [hint["explanation"] for hint in found["hints"]] == [[], []]
    house.store.retire(retirement())
    assert "correlationid" not in (await house.told("desk:d1"))[-1]


async def test_a_channel_keeps_the_newest_under_offsets_without_gaps(house: House) -> None:
    start = await house.board.position("desk:d1")
    assert (start.offset, start.oldest) == (0, 1)
    for number in range(7):
        house.store.place(make_hint(f"h{number}"), "d1")
    assert await house.board.position("desk:d1") == ChannelPosition(start.epoch, 7, 3)
    assert [entry.offset for entry in await house.entries("desk:d1")] == [3, 4, 5, 6, 7]
    assert [entry.offset for entry in await house.board.read("desk:d1", 4, 2)] == [5, 6]
    assert await house.entries("desk:d1", 7) == await house.entries("desk:d1", 99) == []


async def test_each_channel_has_its_own_epoch_that_stays(house: House) -> None:
    one, other = await house.board.position("desk:d1"), await house.board.position("chatbot")
    assert one.epoch != other.epoch
    house.store.place(make_hint(), "d1")
    assert (await house.board.position("desk:d1")).epoch == one.epoch
    assert (await house.board.position("chatbot")).epoch == other.epoch


def test_what_a_reader_can_be_given() -> None:
    position = ChannelPosition("e", 7, 3)
    assert [offset for offset in range(10) if position.recovers("e", offset)] == [2, 3, 4, 5, 6, 7]
    assert not position.recovers("another", 5)
    assert ChannelPosition("e", 0, 1).recovers("e", 0)


async def test_wait_gives_what_is_there_and_what_comes(house: House) -> None:
    house.store.place(make_hint(), "d1")
    found = await house.wait({"desk:d1": 0, "desk:d2": 0, "chatbot": 1}, 50)
    assert {name: [entry.offset for entry in entries] for name, entries in found.items()} == {"desk:d1": [1]}
    waiting = asyncio.create_task(house.wait({"desk:d1": 1, "desk:d2": 0}, 2_000))
    await asyncio.sleep(0.05)
    house.store.place(make_hint("h2"), "d2")
    assert {name: [entry.offset for entry in entries] for name, entries in (await waiting).items()} == {"desk:d2": [1]}


@pytest.mark.parametrize("positions", [{}, {"chatbot": 0}])
async def test_wait_ends_in_time(house: House, positions: dict[str, int]) -> None:
    began = time.monotonic()
    assert await house.wait(positions, 30) == {}
    assert time.monotonic() - began < 1.0 * slowness_since(began)


async def test_wait_never_blocks_longer_than_two_seconds(house: House) -> None:
    for wanted_ms, most_s in ((60_000, 2.9), (0, 1.0)):
        began = time.monotonic()
        assert await house.wait({"chatbot": 0}, wanted_ms) == {}
        assert time.monotonic() - began < most_s * slowness_since(began)
