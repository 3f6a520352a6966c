"""The outreach list behind a live engine: who goes on it, what takes them off, through kills; what is counted."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis

from flows.metrics.engine import EngineMetrics
from flows.sinks.output_metrics import OutputMetrics
from flows.steps.decide import arbitrable
from flows.steps.outreach import about_calling
from operators.hints.arbitration import Contact
from operators.outreach.call_list_entry import CallFirst, NoCall, NotListed
from operators.outreach.call_list_state import HELPED, CallOutcome, DoNotCall
from operators.records.events import Event, Properties
from operators.records.facts import Interaction
from state.bus.protocol import partition_of
from tests.integration.engine.engine_process import PARTITIONS, EngineProcess, post, until
from tests.integration.engine.quick_events import QUICK, event, now_ms
from tests.parts.redis_server import RedisServer
from tests.state.outreach_house import make_entry
from tests.streams import wire

CUSTOMERS = [f"c{number}" for number in range(6)]


@pytest.fixture
def engine(redis_server: RedisServer, tmp_path: Path) -> Iterator[EngineProcess]:
    catalogue = tmp_path / "catalogue.yaml"
    plan = "outreach: {after: 500ms, no_answer_after: 500ms, cool_off: 1h}\ncontrol_group: {share: 0}\n"
    catalogue.write_text(QUICK.read_text("utf-8").replace("control_group:", "# control_group:") + plan, "utf-8")
    process = EngineProcess(redis_server.url, catalogue, tmp_path)
    yield process
    process.kill()


def entries(client: redis.Redis) -> dict[str, dict[str, Any]]:
    """The open entries by customer."""
    ids: Any = client.zrange("zy:outreach", 0, -1)
    found = [orjson.loads(client.hget(f"zy:call:{each.decode()}", "document") or b"{}") for each in ids]
    assert len({each["customer_id"] for each in found}) == len(found)
    return {each["customer_id"]: each for each in found}


def post_around(client: redis.Redis, customer: str, name: str, **properties: str) -> None:
    """Put an event around transactions on the bus, as the gateway does."""
    at_ms = now_ms()
    raw = {"type": "track", "event": name, "userId": customer, "messageId": f"{name}-{at_ms}", "properties": properties}
    fields: dict[Any, Any] = {"k": customer, "t": at_ms, "e": orjson.dumps(raw)}
    client.xadd(f"zy:bus:{partition_of(customer, PARTITIONS)}", fields)


@pytest.mark.requires("redis")
@pytest.mark.timeout(120)
def test_who_is_away_is_listed_once_through_kills_and_leaves_for_each_reason(
    engine: EngineProcess, client: redis.Redis
) -> None:
    engine.start()
    post(client, [event(each, "Transaction Step Failed", "face_check", now_ms()) for each in CUSTOMERS], wire)
    until(lambda: client.exists("zy:hint:c0") == 1, "a hint for c0")
    engine.kill()
    engine.start()
    until(lambda: sorted(entries(client)) == CUSTOMERS, "everybody on the list")
    listed = entries(client)
    assert {each["journey"] for each in listed.values()} == {"policy_loan"}
    engine.kill()
    post(client, [event("c0", "Transaction Step Viewed", "confirm", now_ms())], wire)
    post_around(client, "c1", "Contact Started", channel="counter")
    post_around(client, "c2", "Outreach Ended", outcome="no_answer", outreach_id=listed["c2"]["outreach_id"])
    post_around(client, "c3", "Outreach Ended", outcome="reached", outreach_id=listed["c3"]["outreach_id"])
    post_around(client, "c4", "Do Not Call Set")
    engine.start()
    until(lambda: sorted(entries(client)) == ["c2", "c5"], "two left")
    until(lambda: entries(client)["c2"]["tries"] == 1, "the second try")
    causes = {
        each: client.hget(f"zy:call:{listed[each]['outreach_id']}", "cause") for each in ("c0", "c1", "c2", "c3", "c4")
    }
    assert causes["c0"] in (b"returned", b"completed")
    assert [causes[each] for each in ("c1", "c2", "c3", "c4")] == [b"contact", b"called", b"called", b"do_not_call"]
    assert entries(client)["c5"] == listed["c5"]
    assert len(list(client.scan_iter("zy:call:*"))) == len(CUSTOMERS) + 1
    assert engine.stop() == 0


def around(name: str, properties: Properties | None = None) -> Interaction:
    return Interaction(Event(event=name, properties=properties), "anna", 5)


def test_what_is_understood_of_what_happens_around() -> None:
    assert about_calling(around("Contact Started", Properties(channel="chat"))) == Contact("anna", True, 5, "chat")
    assert about_calling(around("Contact Ended")) == Contact("anna", False, 5, None)
    assert about_calling(around("Hint Used", Properties(hint_id="h"))) == Contact("anna", True, 5, HELPED)
    assert about_calling(around("Do Not Call Set")) == DoNotCall("anna", True, 5)
    assert about_calling(around("Do Not Call Lifted")) == DoNotCall("anna", False, 5)
    ended = Properties(outreach_id="o1", outcome="reached")
    assert about_calling(around("Outreach Ended", ended)) == CallOutcome("anna", "o1", "reached", 5)
    for nothing in (
        around("Outreach Ended"),
        around("Outreach Ended", Properties(outcome="bored")),
        around("Outreach Claimed", Properties(outreach_id="o1")),
        around("Survey Sent"),
    ):
        assert about_calling(nothing) is None


def test_who_is_being_called_is_in_contact_as_far_as_hints_go() -> None:
    assert arbitrable(around("Outreach Claimed", Properties(outreach_id="o1"))) == Contact("anna", True, 5, "phone")
    assert arbitrable(around("Outreach Released")) == Contact("anna", False, 5, "phone")
    assert arbitrable(around("Outreach Ended", Properties(outcome="reached"))) == Contact("anna", False, 5, "phone")


def test_the_words_are_counted() -> None:
    metrics = EngineMetrics()
    words = (
        CallFirst(make_entry()),
        NoCall("o1", "anna", "policy_loan", "returned", 5),
        NotListed("a1", "bert", "claim", "cool_off", 5),
    )
    OutputMetrics(metrics).outreach(words)
    assert metrics.registry.get_sample_value("zhiyin_outreach_total", {"journey": "policy_loan"}) == 1
    assert metrics.registry.get_sample_value("zhiyin_outreach_ended_total", {"cause": "returned"}) == 1
    labels = {"journey": "claim", "why_not": "cool_off"}
    assert metrics.registry.get_sample_value("zhiyin_outreach_not_listed_total", labels) == 1
