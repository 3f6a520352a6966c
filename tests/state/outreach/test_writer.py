"""The outreach list on real Redis, new and old: order, pages, claims, leases, outcomes, do-not-call."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from operators.outreach.call_list_entry import CallFirst
from state.outreach.claims import Claim, EntryOwner, ListPosition, OutreachRepository
from state.redis import keys
from state.redis.connections import StoreUnavailable, connect_async
from tests.parts.redis_server import free_port
from tests.state.houses import HOUR_MS, NOON_MS
from tests.state.outreach_house import LEASE_MS, OutreachHouse, make_entry


@pytest.fixture
async def house(any_redis_url: str) -> AsyncIterator[OutreachHouse]:
    """An empty list."""
    made = OutreachHouse(any_redis_url)
    yield made
    await made.close()


async def whose(house: OutreachHouse, name: str = "o1") -> EntryOwner:
    found = await house.board.owner(name)
    assert found is not None
    return found


async def test_the_greatest_need_comes_first_then_who_broke_off_last(house: OutreachHouse) -> None:
    house.put("low", need=0.2)
    house.put("older", need=0.9, abandoned_at_ms=NOON_MS - HOUR_MS)
    house.put("newer", need=0.9, abandoned_at_ms=NOON_MS)
    house.put("claim", need=0.5, journey="claim")
    assert await house.names() == ["newer", "older", "claim", "low"]
    assert await house.names("claim") == ["claim"]
    assert await house.names("surrender") == []


async def test_a_document_is_as_it_was_told_and_nobody_holds_it(house: OutreachHouse) -> None:
    house.put()
    (document,) = (await house.board.page(None, None, 10, NOON_MS)).entries
    assert (document["outreach_id"], document["customer_id"], document["need"]) == ("o1", "anna", 0.5)
    assert (document["claimed_by"], document["claimed_until_ms"]) == (None, None)
    assert document["lease_seconds"] == 900
    assert document["article"]["title"] == {"zh": "保单贷款", "en": "policy loan"}


async def test_told_twice_is_told_once_and_never_again_after_its_end(house: OutreachHouse) -> None:
    entry = house.put()
    assert house.store.write([CallFirst(entry)]) == [False]
    assert house.end(entry)
    assert not house.end(entry)
    assert house.store.write([CallFirst(entry)]) == [False]
    assert await house.names() == []
    ttl_ms = house.client.pttl(keys.OUTREACH_RECORD.of("o1"))
    assert isinstance(ttl_ms, int)
    assert 0 < ttl_ms <= HOUR_MS + 86_400_000


async def test_what_is_told_too_late_is_never_listed(house: OutreachHouse) -> None:
    house.now_ms = NOON_MS + HOUR_MS
    house.put()
    assert await house.names() == []


async def test_an_entry_whose_time_is_over_is_not_read(house: OutreachHouse) -> None:
    house.put()
    house.now_ms += HOUR_MS
    assert await house.names() == []
    assert await house.board.claim("o1", "desk-1", house.now_ms) == Claim("over", "expired", 0, False)


async def test_what_lost_its_record_goes_from_the_list_as_it_is_read(house: OutreachHouse) -> None:
    house.put()
    house.client.delete(keys.OUTREACH_RECORD.of("o1"))
    assert await house.names() == []
    assert house.client.zcard(keys.OUTREACH.of()) == 0


@pytest.mark.parametrize("count", [1, 2, 3, 7])
async def test_pages_hold_everything_once_also_where_ranks_are_equal(house: OutreachHouse, count: int) -> None:
    for number in range(7):
        house.put(f"o{number}", need=0.5 if number < 5 else 0.25)
    found: list[str] = []
    place: ListPosition | None = None
    pages = 0
    while pages == 0 or place is not None:
        page = await house.board.page(None, place, count, NOON_MS)
        assert len(page.entries) <= count
        found += [each["outreach_id"] for each in page.entries]
        place, pages = page.after, pages + 1
    assert found == ["o4", "o3", "o2", "o1", "o0", "o6", "o5"]
    assert pages == -(-7 // count)


async def test_a_page_is_full_although_some_of_the_list_is_over(house: OutreachHouse) -> None:
    for number in range(6):
        house.put(f"o{number}", expires_at_ms=NOON_MS + (number % 2) * HOUR_MS + 1)
    page = await house.board.page(None, None, 2, NOON_MS + 10)
    assert [each["outreach_id"] for each in page.entries] == ["o5", "o3"]
    assert page.after is not None
    rest = await house.board.page(None, page.after, 2, NOON_MS + 10)
    assert ([each["outreach_id"] for each in rest.entries], rest.after) == (["o1"], None)


async def test_of_many_agents_one_gets_the_claim(house: OutreachHouse) -> None:
    house.put()
    claims = await asyncio.gather(*(house.board.claim("o1", f"desk-{each}", NOON_MS) for each in range(20)))
    won = [each for each in claims if each.refused is None]
    assert len(won) == 1
    assert {each.refused for each in claims} == {None, "taken"}
    assert {each.detail for each in claims} == {won[0].detail}
    (document,) = (await house.board.page(None, None, 10, NOON_MS)).entries
    assert (document["claimed_by"], document["claimed_until_ms"]) == (won[0].detail, NOON_MS + LEASE_MS)


async def test_a_claim_is_renewed_released_and_runs_out(house: OutreachHouse) -> None:
    house.put()
    board = house.board
    assert await board.claim("o1", "desk-1", NOON_MS) == Claim(None, "desk-1", NOON_MS + LEASE_MS, False)
    soon_ms = NOON_MS + 60_000
    assert await board.claim("o1", "desk-1", soon_ms) == Claim(None, "desk-1", soon_ms + LEASE_MS, True)
    assert await board.release("o1", "desk-2", soon_ms) == "taken"
    assert await board.release("o1", "desk-1", soon_ms) == "released"
    assert await board.release("o1", "desk-1", soon_ms) == "free"
    assert (await board.claim("o1", "desk-2", NOON_MS)).refused is None
    over_ms = NOON_MS + LEASE_MS
    assert (await board.claim("o1", "desk-1", over_ms - 1)).refused == "taken"
    assert await board.claim("o1", "desk-1", over_ms) == Claim(None, "desk-1", over_ms + LEASE_MS, False)


async def test_wishes_about_nothing(house: OutreachHouse) -> None:
    assert await house.board.claim("none", "desk-1", NOON_MS) == Claim("unknown", "", 0, False)
    assert await house.board.release("none", "desk-1", NOON_MS) == "unknown"
    assert await house.board.owner("none") is None
    nobody = EntryOwner("anna", "policy_loan", {})
    assert (await house.board.end("none", nobody, "desk-1", "reached", NOON_MS)).refused == "unknown"


async def test_an_outcome_ends_the_entry_and_is_noted_once(house: OutreachHouse) -> None:
    house.put()
    about = await whose(house)
    assert (await house.board.end("o1", about, "desk-1", "reached", NOON_MS)).refused == "unclaimed"
    await house.board.claim("o1", "desk-1", NOON_MS)
    assert (await house.board.end("o1", about, "desk-2", "reached", NOON_MS)).refused == "taken"
    noted = await house.board.end("o1", about, "desk-1", "reached", NOON_MS)
    assert (noted.refused, noted.changed) == (None, True)
    again = await house.board.end("o1", about, "desk-1", "reached", NOON_MS)
    assert (again.refused, again.changed) == (None, False)
    other = await house.board.end("o1", about, "desk-1", "declined", NOON_MS)
    assert (other.refused, other.detail) == ("over", "reached")
    assert await house.names() == []
    assert (await house.board.claim("o1", "desk-2", NOON_MS)).refused == "over"


async def test_the_outcome_of_a_long_call_counts_although_the_customer_came_back_or_the_lease_ran_out(
    house: OutreachHouse,
) -> None:
    entry = house.put()
    await house.board.claim("o1", "desk-1", NOON_MS)
    assert house.end(entry, "completed")
    late_ms = NOON_MS + 2 * LEASE_MS
    noted = await house.board.end("o1", await whose(house), "desk-1", "solved", late_ms)
    assert (noted.refused, noted.changed) == (None, True)
    assert house.client.hget(keys.OUTREACH_RECORD.of("o1"), "cause") == b"completed"


async def test_do_not_call_goes_before_everything(house: OutreachHouse) -> None:
    house.put("o1")
    house.put("o2", journey="claim")
    house.put("other", customer_id="bert")
    assert await house.board.forbid("anna")
    assert not await house.board.forbid("anna")
    assert await house.names() == ["other"]
    house.put("o3")
    assert await house.names() == ["other"]
    assert await house.board.allow("anna")
    assert not await house.board.allow("anna")
    house.put("o4")
    assert await house.names() == ["other", "o4"]


async def test_the_outcome_do_not_call_forbids_by_itself(house: OutreachHouse) -> None:
    house.put()
    await house.board.claim("o1", "desk-1", NOON_MS)
    await house.board.end("o1", await whose(house), "desk-1", "do_not_call", NOON_MS)
    house.put("o2")
    assert await house.names() == []


async def test_a_claim_that_meets_a_wish_for_no_calls_is_refused(house: OutreachHouse) -> None:
    house.put()
    house.client.sadd(keys.DO_NOT_CALL.of(), "anna")
    assert await house.board.claim("o1", "desk-1", NOON_MS) == Claim("over", "do_not_call", 0, False)


async def test_every_change_has_a_version_of_its_own(house: OutreachHouse) -> None:
    versions = [await house.board.version()]
    entry = house.put()
    versions.append(await house.board.version())
    for agent in ("desk-1", "desk-1"):
        await house.board.claim("o1", agent, NOON_MS)
        versions.append(await house.board.version())
    await house.board.release("o1", "desk-1", NOON_MS)
    versions.append(await house.board.version())
    house.end(entry)
    versions.append(await house.board.version())
    assert versions == [0, 1, 2, 3, 4, 5]


async def test_many_words_are_few_rounds(house: OutreachHouse) -> None:
    words = [CallFirst(make_entry(f"o{number:04}")) for number in range(1_200)]
    assert house.store.write(words) == [True] * 1_200
    assert len(await house.names()) == 100
    assert house.client.zcard(keys.OUTREACH.of()) == 1_200


async def test_redis_that_is_away_is_said_so() -> None:
    away = OutreachRepository(connect_async(f"redis://127.0.0.1:{free_port()}/0"))
    for asked in (
        away.version(),
        away.page(None, None, 10, NOON_MS),
        away.owner("o1"),
        away.claim("o1", "desk-1", NOON_MS),
        away.release("o1", "desk-1", NOON_MS),
        away.forbid("anna"),
        away.allow("anna"),
    ):
        with pytest.raises(StoreUnavailable, match="is gone"):
            await asked
