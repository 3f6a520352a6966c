"""Hot questions over HTTP: those of the customer's group, and ratings that go on the bus."""

import httpx
import msgspec
import pytest

from gateway.auth.tokens import AGENT, issue_token
from gateway.ingest.collector import wall_clock_ms
from operators.contacts.bundle import CustomerWhereabouts
from operators.contacts.hot_questions import HotList, HotQuestion
from operators.records.catalogue import Article, Words
from operators.records.routing import Whereabouts
from state.contacts.bundles import RedisBundleWriter
from state.contacts.questions import RedisQuestionWriter
from state.redis.connections import connect
from tests.gateway.api.test_hints import hint_now
from tests.gateway.api.test_hints import tell as tell_hint
from tests.gateway.running import SECRET, RunningGateway, agent, bearer, chatbot

HOT = "/v1/customers/anna/hot-questions"
WORDS = Words(zh="刷脸不过", en="The face check fails")


def question(name: str) -> HotQuestion:
    return HotQuestion(f"policy_loan.{name}", "policy_loan", name, WORDS, WORDS, Article("a", WORDS, WORDS), 1.5, None)


def tell(gateway: RunningGateway, group: str, *names: str) -> None:
    with connect(gateway.settings.redis_url or "") as client:
        hot = HotList(group, tuple(question(name) for name in names), wall_clock_ms())
        RedisQuestionWriter(client, 60_000).write([hot])


def asked(api: httpx.Client) -> tuple[str, list[str]]:
    document = api.get(HOT, headers=chatbot()).json()
    return document["group"], [each["reason"] for each in document["questions"]]


def test_of_customers_out_of_reach_nothing_is_said_and_nothing_taken(
    gateway: RunningGateway, api: httpx.Client
) -> None:
    with connect(gateway.settings.redis_url or "") as client:
        RedisBundleWriter(client, wall_clock_ms, 60_000).write(
            [CustomerWhereabouts("anna", Whereabouts(branch="sh", region="east"))]
        )
    before = gateway.metric("zhiyin_out_of_reach_total").get('where="rest"', 0.0)
    rating, taken = {"customer_id": "anna", "solved": True}, gateway.bus()
    for customers in ({"branches": ["bj"]}, {"regions": ["west"]}):
        now_s = wall_clock_ms() // 1000
        token = issue_token(SECRET, "desk-1", AGENT, 600, now_s, {"customers": customers})
        headers = {"Authorization": f"Bearer {token}"}
        for refused in (
            api.get(HOT, headers=headers),
            api.get("/v1/customers/nobody/hot-questions", headers=headers),
            api.post("/v1/questions/policy_loan.payment/ratings", json=rating, headers=headers),
        ):
            assert refused.status_code == 403
            assert refused.json()["detail"] == (
                "customer_id: found a customer of another branch or region, expected one whom this token may see"
            )
    assert gateway.metric("zhiyin_out_of_reach_total")['where="rest"'] == before + 6
    assert gateway.bus() == taken
    token = issue_token(SECRET, "desk-1", AGENT, 600, wall_clock_ms() // 1000, {"customers": {"regions": ["east"]}})
    assert api.get(HOT, headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_nobody_has_asked_anything(api: httpx.Client) -> None:
    assert api.get(HOT, headers=chatbot()).json() == {
        "customer_id": "anna",
        "group": "all",
        "questions": [],
        "at": None,
    }


def test_the_customers_own_group_goes_before_the_journey_and_everybody(
    gateway: RunningGateway, api: httpx.Client
) -> None:
    tell(gateway, "all", "payment")
    assert asked(api) == ("all", ["payment"])
    tell(gateway, "journey:policy_loan", "sms_code")
    tell_hint(gateway, hint_now())
    assert asked(api) == ("journey:policy_loan", ["sms_code"])
    with connect(gateway.settings.redis_url or "") as client:
        RedisBundleWriter(client, wall_clock_ms, 60_000).write([CustomerWhereabouts("anna", Whereabouts(group="gold"))])
    assert asked(api) == ("journey:policy_loan", ["sms_code"])
    tell(gateway, "group:gold", "face_check", "payment")
    assert asked(api) == ("group:gold", ["face_check", "payment"])


def test_the_wording_follows_the_language(gateway: RunningGateway, api: httpx.Client) -> None:
    tell(gateway, "all", "face_check")
    answer = api.get(HOT, headers=agent() | {"Accept-Language": "en"})
    assert (answer.headers["content-language"], answer.json()["questions"][0]["say"]) == ("en", WORDS.en)


def test_a_rating_goes_on_the_bus(gateway: RunningGateway, api: httpx.Client) -> None:
    path = "/v1/questions/policy_loan.face_check/ratings"
    assert api.post(path, json={"customer_id": "anna", "solved": False}, headers=chatbot()).status_code == 204
    (entry,) = gateway.bus()
    event = msgspec.json.decode(entry.raw)
    assert (entry.customer_id, event["event"], event["userId"]) == ("anna", "Answer Rated", "anna")
    assert event["properties"] == {"question_id": "policy_loan.face_check", "solved": False}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"customer_id":"anna"}', "no field solved"),
        (b'{"customer_id":"","solved":true}', "$.customer_id"),
        (b'{"customer_id":"anna","solved":true,"why":1}', "a field why"),
        (b"solved", "one JSON object in UTF-8"),
    ],
)
def test_what_is_no_rating_is_refused(api: httpx.Client, body: bytes, words: str) -> None:
    answer = api.post("/v1/questions/x/ratings", content=body, headers=chatbot())
    assert answer.status_code == 400
    assert words in answer.json()["detail"]


def test_who_has_no_business_here(api: httpx.Client) -> None:
    assert api.get(HOT).status_code == 401
    assert api.get(HOT, headers=bearer("x", "ops")).status_code == 403
