"""Routing at a real gateway: queues, claims, who is on line, and nobody sees a customer who is not his to see."""

import json
import time
from contextlib import ExitStack
from typing import Any

import httpx
from websockets.sync.client import connect as open_socket
from websockets.typing import Subprotocol

from gateway.auth.tokens import AGENT, issue_token
from gateway.ingest.collector import wall_clock_ms
from operators.contacts.bundle import CustomerWhereabouts
from operators.records.routing import Whereabouts
from state.contacts.bundles import RedisBundleWriter
from state.contacts.presence import Routes
from state.hints.writer import RedisHintWriter
from state.redis.connections import connect
from tests.gateway.api.test_hints import hint_now
from tests.gateway.api.test_hints import tell as tell_at
from tests.gateway.running import SECRET, RunningGateway, chatbot
from tests.integration.engine.engine_process import until


def token(desk_id: str = "d1", **claims: object) -> str:
    return issue_token(SECRET, desk_id, AGENT, 600, wall_clock_ms() // 1000, claims)


def headers(desk_id: str = "d1", **claims: object) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(desk_id, **claims)}"}


class Caller:
    """A desk on the websocket; ``heard``: the events so far."""

    def __init__(self, gateway: RunningGateway, channel: str, desk_id: str = "d1", **claims: object) -> None:
        self._open = ExitStack()
        protocols = [Subprotocol("zhiyin.desk.v1")]
        self.socket = self._open.enter_context(open_socket(gateway.addresses.ws, subprotocols=protocols))
        self.say(type="connection_init", token=token(desk_id, **claims))
        self.say(type="subscribe", id="1", channel=channel)
        while self.hear()["type"] != "subscribed":
            pass

    def close(self) -> None:
        self._open.close()

    def say(self, **frame: object) -> None:
        self.socket.send(json.dumps(frame))

    def hear(self, timeout: float = 10) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.socket.recv(timeout))
        return found

    def event(self) -> dict[str, Any]:
        """The next event."""
        while True:
            frame = self.hear()
            if frame["type"] == "next":
                found: dict[str, Any] = frame["event"]
                return found


def withheld(gateway: RunningGateway) -> float:
    return sum(gateway.metric("zhiyin_out_of_reach_total").values())


def on_line(api: httpx.Client) -> list[str]:
    return [seat["desk_id"] for seat in api.get("/v1/desks", headers=headers()).json()["desks"]]


def test_who_is_on_line_is_known_while_the_socket_is_open(gateway: RunningGateway, api: httpx.Client) -> None:
    desk = Caller(gateway, "desk", "d7", skills=["claims"], branch="sh", region="east")
    until(lambda: on_line(api) == ["d7"], "d7 on line")
    (seat,) = api.get("/v1/desks", headers=headers()).json()["desks"]
    assert seat == {"desk_id": "d7", "skills": ["claims"], "branch": "sh", "region": "east"}
    desk.close()
    until(lambda: on_line(api) == [], "d7 gone")


def test_the_queue_is_shown_to_its_branch_and_skill_and_taken_once(gateway: RunningGateway, api: httpx.Client) -> None:
    tell_at(gateway, hint_now(branch="sh", skill="claims"), "queue:sh")
    claims: dict[str, Any] = {"branch": "sh", "skills": ["claims"]}
    found = api.get("/v1/queue", headers=headers(**claims)).json()
    assert (found["queue"], [hint["hint_id"] for hint in found["hints"]]) == ("queue:sh", ["h1"])
    assert api.get("/v1/queue", headers=headers(branch="sh", skills=["loans"])).json()["hints"] == []
    assert api.get("/v1/queue", headers=headers(branch="bj")).json()["hints"] == []
    listening = Caller(gateway, "queue", "d2", **claims)
    own = Caller(gateway, "desk", "d1", **claims)
    assert api.post("/v1/hints/h1/claims", headers=headers("d9", branch="bj")).status_code == 409
    assert api.post("/v1/hints/h1/claims", headers=headers("d9", branch="sh", skills=["loans"])).status_code == 404
    taken = api.post("/v1/hints/h1/claims", headers=headers("d1", **claims))
    assert taken.json() == {"hint_id": "h1", "taken_by": "d1"}
    assert api.post("/v1/hints/h1/claims", headers=headers("d1", **claims)).status_code == 200
    late = api.post("/v1/hints/h1/claims", headers=headers("d2", **claims))
    assert (late.status_code, "one that another desk has" in late.json()["detail"]) == (409, True)
    assert (listening.event()["data"]["cause"], own.event()["type"]) == ("taken", "zhiyin.hint.created")
    reported = api.post("/v1/hints/h1/states", json={"state": "used"}, headers=headers("d1", **claims))
    assert reported.json()["changed"] is True
    for each in (listening, own):
        each.close()


def test_every_message_is_checked(gateway: RunningGateway, api: httpx.Client) -> None:
    before = withheld(gateway)
    north = Caller(gateway, "desk", "desk-1", customers={"regions": ["north"]})
    tell_at(gateway, hint_now("h1", region="east"))
    tell_at(gateway, hint_now("h2"))
    tell_at(gateway, hint_now("h3", region="north"))
    api.post("/v1/hints/h1/states", json={"state": "used"}, headers=headers("desk-1"))
    api.post("/v1/hints/h3/states", json={"state": "used"}, headers=headers("desk-1"))
    assert [(event["type"], event["data"]["hint_id"]) for event in (north.event(), north.event())] == [
        ("zhiyin.hint.created", "h3"),
        ("zhiyin.hint.used", "h3"),
    ]
    assert withheld(gateway) - before == 3
    tell_at(gateway, hint_now("h4", region="east"))
    seen = headers("desk-1", customers={"regions": ["north"]})
    assert api.get("/v1/hints", headers=seen).json()["hints"] == []
    assert api.get("/v1/customers/anna/next-hints", headers=seen).json()["hints"] == []
    assert len(api.get("/v1/customers/anna/next-hints", headers=chatbot()).json()["hints"]) == 2
    until(lambda: withheld(gateway) - before == 3 + 1 + 4, "three frames, then one, and four hints of answers")
    north.close()


def test_an_owner_who_stays_away_loses_the_hint_to_the_queue(gateway: RunningGateway, api: httpx.Client) -> None:
    owner = Caller(gateway, "desk", "d7", branch="sh")
    until(lambda: on_line(api) == ["d7"], "d7 on line")
    with connect(gateway.settings.redis_url or "") as client:
        RedisBundleWriter(client, wall_clock_ms, 60_000).write([CustomerWhereabouts("anna", Whereabouts("d7", "sh"))])
        routed = Routes(client, wall_clock_ms, ("desk-1",), away_after_ms=200).placements([hint_now()])
        assert [each.desk_id for each in routed] == ["d7"]
        RedisHintWriter(client, wall_clock_ms).write(routed)
    assert owner.event()["data"]["hint_id"] == "h1"
    time.sleep(0.3)
    assert api.get("/v1/queue", headers=headers(branch="sh")).json()["hints"] == []
    owner.close()

    def queued() -> bool:
        with connect(gateway.settings.redis_url or "") as client:
            client.zadd("zy:awaited", {"h1": 1}, xx=True)
        return bool(api.get("/v1/queue", headers=headers(branch="sh")).json()["hints"])

    until(queued, "the hint in the queue")


def test_a_skill_is_asked_in_queues_alone_and_not_of_whom_the_hint_is_for(gateway: RunningGateway) -> None:
    own = Caller(gateway, "desk", "d1", skills=["loans"])
    queue = Caller(gateway, "queue", "d1", skills=["loans"])
    tell_at(gateway, hint_now("h1", skill="claims"), "queue:general")
    tell_at(gateway, hint_now("h2", skill="loans"), "queue:general")
    tell_at(gateway, hint_now("h3", skill="claims"), "d1")
    assert queue.event()["data"]["hint_id"] == "h2"
    assert own.event()["data"]["hint_id"] == "h3"
    for each in (queue, own):
        each.close()


def test_a_desk_may_not_hear_another_branchs_queue_by_name(gateway: RunningGateway) -> None:
    with open_socket(gateway.addresses.ws) as socket:
        socket.send(json.dumps({"type": "connection_init", "token": token(branch="sh")}))
        socket.send(json.dumps({"type": "subscribe", "id": "1", "channel": "queue:bj"}))
        answers = [json.loads(socket.recv(120)) for _ in range(2)]
    assert (answers[1]["type"], answers[1]["code"]) == ("error", "forbidden")
    assert "expected 'desk' or 'queue' for a token with role agent" in answers[1]["message"]
