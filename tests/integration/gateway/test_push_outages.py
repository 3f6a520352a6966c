"""The push server when its store goes away, comes back, comes back empty, or is broken."""

from tests.gateway.push_house import open_hall
from tests.parts.redis_server import RedisServer
from tests.state.houses import RedisHouse


async def test_a_redis_that_goes_and_comes_is_told_and_nothing_is_lost(redis_server: RedisServer) -> None:
    house = RedisHouse(redis_server.url)
    async with open_hall(house) as hall, hall.desk() as desk:
        await desk.subscribe()
        hall.tell("h1")
        await desk.hear("next")
        redis_server.stop()
        stale = await desk.hear()
        assert (stale["type"], stale["id"]) == ("stale", "s")
        assert stale["since"].startswith("2027-01-15T08:00:0")
        refused = await desk.subscribe("t", epoch="e", offset=0)
        assert (refused["type"], refused["code"], refused["temporary"]) == ("error", "unavailable", True)
        assert (await desk.subscribe("u"))["recovered"] is False
        assert (await desk.hear())["type"] == "stale"
        await desk.say("complete", id="u")
        await desk.say("ack", hint_id="h1", state="used")
        away = await desk.hear()
        assert (away["id"], away["message"]) == ("h1", "the store is gone: try again in a moment")
        redis_server.start()
        assert await desk.hear() == {"type": "fresh", "id": "s"}
        hall.tell("h2")
        assert (await desk.hear("next"))["offset"] == 2
        assert (await desk.subscribe("t"))["type"] == "subscribed"
    await house.close()


async def test_a_lost_history_ends_the_subscription_and_the_id_is_free(redis_url: str) -> None:
    house = RedisHouse(redis_url)
    async with open_hall(house) as hall, hall.desk() as one, hall.desk() as other:
        hall.tell("h1", "h2")
        place = await one.subscribe("s")
        house.client.flushdb()
        first = await other.subscribe("o", epoch=place["epoch"], offset=place["offset"])
        assert (first["type"], first["code"], first["temporary"]) == ("error", "history_lost", True)
        assert (await one.hear())["code"] == "history_lost"
        assert (await one.subscribe("s", epoch=place["epoch"], offset=2))["recovered"] is False
    await house.close()


async def test_a_channel_that_is_broken_in_the_store_is_said_so_and_mended(redis_url: str) -> None:
    house = RedisHouse(redis_url)
    key = "zy:channel:desk:d1"
    async with open_hall(house) as hall, hall.desk() as desk:
        hall.tell("h1")
        await desk.subscribe()
        house.client.rename(key, "kept")
        house.client.set(key, "no stream")
        assert (await desk.hear())["type"] == "stale"
        answer = await desk.subscribe("t", epoch="e", offset=0)
        assert (answer["code"], answer["message"]) == (
            "unavailable",
            "the channel cannot be read: see the server's log",
        )
        house.client.rename("kept", key)
        assert (await desk.hear())["type"] == "fresh"
        hall.tell("h2")
        assert (await desk.hear("next"))["offset"] == 2
    await house.close()
