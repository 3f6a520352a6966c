"""Scripts are carried out in the order they were called in, whichever of them Redis knows already."""

import pytest

from operators.outreach.call_list_entry import CallFirst, NoCall
from state.redis.scripts import OUTREACH_END, OUTREACH_LIST, Script
from tests.state.houses import NOON_MS
from tests.state.outreach_house import OutreachHouse, make_entry


@pytest.mark.requires("redis")
@pytest.mark.parametrize("known", [(), (OUTREACH_LIST,), (OUTREACH_END,), (OUTREACH_LIST, OUTREACH_END)])
async def test_an_entry_comes_and_goes_before_the_next_comes(redis_url: str, known: tuple[Script, ...]) -> None:
    house = OutreachHouse(redis_url)
    house.client.script_flush()
    for script in known:
        house.client.script_load(script.text)
    first, second = make_entry("o1"), make_entry("o2", tries=1)
    words: list[CallFirst | NoCall] = [
        CallFirst(first),
        NoCall("o1", first.customer_id, first.journey, "called", NOON_MS),
        CallFirst(second),
    ]
    assert house.store.write(words) == [True, True, True]
    assert await house.names() == ["o2"]
    assert house.store.write(words) == [False, False, False]
    await house.close()
