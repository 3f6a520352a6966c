"""The live engine and contacts: the bundle is on the agent's channel, with what was learnt before a kill."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis

from operators.support.timestamps import iso_text
from tests.integration.engine.engine_process import EngineProcess, post, stream_documents, until
from tests.integration.engine.quick_events import QUICK, event, now_ms
from tests.parts.machine import ROOT
from tests.parts.redis_server import RedisServer
from tests.streams import wire

CHANNEL = "zy:channel:desk:d1"
pytestmark = pytest.mark.timeout(150)


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    """The quick catalogue with the needs that are shipped."""
    folder = tmp_path / "catalogue"
    folder.mkdir()
    (folder / "quick.yaml").write_bytes(QUICK.read_bytes())
    (folder / "needs.yaml").write_bytes((ROOT / "config" / "catalog" / "needs.yaml").read_bytes())
    return folder


@pytest.fixture
def engine(redis_server: RedisServer, tmp_path: Path, catalogue: Path) -> Iterator[EngineProcess]:
    process = EngineProcess(redis_server.url, catalogue, tmp_path)
    process.start()
    yield process
    process.kill()


def tell(client: redis.Redis, name: str | None, number: int = 0, **told: object) -> None:
    """Puts an event around transactions on the bus; ``traits`` for identify."""
    at_ms = now_ms()
    kind: dict[str, Any] = {"type": "track", "event": name, "properties": told}
    if name is None:
        kind = {"type": "identify", "traits": told}
    raw = {**kind, "userId": "anna", "messageId": f"m-{name}-{at_ms}-{number}", "timestamp": iso_text(at_ms)}
    post(client, [{"customer": "anna", "at_ms": at_ms}], lambda _: orjson.dumps(raw))


def bundles(client: redis.Redis) -> list[dict[str, Any]]:
    return [each for each in stream_documents(client, CHANNEL) if each["type"].startswith("zhiyin.bundle")]


def test_a_contact_brings_interruption_and_needs_and_its_end_takes_them_away(
    engine: EngineProcess, client: redis.Redis
) -> None:
    tell(client, None, owner_agent_id="d7", branch="sh", email="never@read.example")
    tell(client, "Policy Updated", policy_id="p-1", has_beneficiary=False, unclaimed_benefit=True)
    tell(client, "Policy Updated", number=1, policy_id="p-2", claim_documents_missing="two")
    post(client, [event("anna", "Transaction Step Viewed", "face_check", now_ms())], wire)
    until(lambda: client.exists("zy:hint:anna") == 1, "a hint for anna")
    until(lambda: client.hgetall("zy:customer:anna") == {b"owner": b"d7", b"branch": b"sh"}, "whose anna is")
    engine.kill()
    engine.start()
    tell(client, "Contact Started", channel="phone", agent_id="d1", conversation_id="k1")
    until(lambda: len(bundles(client)) == 1, "a bundle")
    bundle = bundles(client)[0]["data"]
    assert [each["code"] for each in bundle["needs"]] == ["unclaimed_benefit", "beneficiary_missing"]
    assert (bundle["interruption"]["journey"], bundle["interruption"]["step"]) == ("policy_loan", "face_check")
    assert bundle["interruption"]["hint_id"] == orjson.loads(client.get("zy:hint:anna") or b"")["hints"][0]["hint_id"]
    tell(client, "Contact Ended", conversation_id="k1")
    until(lambda: client.exists("zy:bundle:anna") == 0, "the end of the bundle")
    assert [each["type"] for each in bundles(client)] == ["zhiyin.bundle.created", "zhiyin.bundle.closed"]
    letters = [each["failure"]["messages"][0]["path"] for each in stream_documents(client, "zy:dead-letters")]
    assert letters == ["$.properties.claim_documents_missing"]
    assert engine.stop() == 0


def test_who_struggles_in_the_middle_of_a_contact_is_shown_at_that_desk_and_once_after_a_kill(
    engine: EngineProcess, client: redis.Redis
) -> None:
    tell(client, "Contact Started", channel="phone", agent_id="d1", conversation_id="k1")
    until(lambda: len(bundles(client)) == 1, "a bundle")
    assert bundles(client)[0]["data"]["struggling"] is None
    for number in range(2):
        failed = event("anna", "Transaction Step Failed", "face_check", now_ms(), number)
        failed["error_code"] = "face_mismatch"
        post(client, [failed], _failed)
    until(lambda: len(bundles(client)) == 2, "a change")
    change = bundles(client)[1]
    assert change["type"] == "zhiyin.bundle.changed"
    assert change["data"]["struggling"]["reason"]["code"] == "face_check"
    engine.kill()
    engine.start()
    post(client, [event("anna", "Transaction Completed", "face_check", now_ms())], wire)
    until(lambda: len(bundles(client)) == 3, "the end of the trouble")
    assert bundles(client)[2]["data"]["struggling"] is None
    assert client.hget("zy:bundle:anna", "struggling") == b""


def hot(client: redis.Redis, group: str) -> list[tuple[str, float | None]]:
    """The hot questions of a group, each with how often its answer helped."""
    found = client.get(f"zy:hot:{group}")
    questions = orjson.loads(found)["questions"] if isinstance(found, bytes) else []
    return [(each["question_id"], each["helped"]) for each in questions]


def test_what_customers_break_off_for_is_hot_in_their_groups_and_is_rated(
    engine: EngineProcess, client: redis.Redis
) -> None:
    tell(client, None, group="gold")
    until(lambda: client.exists("zy:customer:anna") == 1, "whose anna is")
    failed = {**event("anna", "Transaction Step Failed", "face_check", now_ms()), "error_code": "face_mismatch"}
    post(client, [failed], _failed)
    until(lambda: hot(client, "group:gold") == [("policy_loan.face_check", None)], "a hot question")
    for group in ("all", "journey:policy_loan"):
        until(lambda: hot(client, group) == [("policy_loan.face_check", None)], "the same for all")  # noqa: B023 - at once
    engine.kill()
    engine.start()
    tell(client, "Answer Rated", question_id="policy_loan.face_check", solved=True)
    until(lambda: hot(client, "group:gold") == [("policy_loan.face_check", 1.0)], "a rating")
    assert client.pttl("zy:hot:all") > 0


def _failed(told: Any) -> bytes:  # noqa: ANN401 - what ``post`` is given
    raw = orjson.loads(wire(told))
    raw["properties"]["error_code"] = told["error_code"]
    return orjson.dumps(raw)
