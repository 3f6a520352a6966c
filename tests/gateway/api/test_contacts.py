"""Bundles over HTTP: to the agent in contact, to phone systems that ask, and to nobody who may not see the customer."""

import httpx
import msgspec

from gateway.auth.tokens import AGENT, issue_token
from gateway.ingest.collector import wall_clock_ms
from operators.contacts.bundle import Bundle
from operators.contacts.needs import Need
from operators.records.catalogue import Article, Words
from state.contacts.bundles import RedisBundleWriter
from state.redis.connections import connect
from tests.gateway.running import SECRET, RunningGateway, agent, bearer, chatbot
from tests.state.contacts.test_bundles import bundle
from tests.state.houses import make_hint

WORDS = Words(zh="保费到期", en="Premium due")
NEED = Need("premium_due", WORDS, WORDS, Article("a", WORDS, WORDS), 90, ("p-1",))


def tell(gateway: RunningGateway, *some: Bundle) -> None:
    with connect(gateway.settings.redis_url or "") as client:
        store = RedisBundleWriter(client, wall_clock_ms, 60_000)
        assert store.write(some) == [True] * len(some)


def bundle_now(name: str = "b1", customer: str = "anna", agent_id: str | None = "desk-1") -> Bundle:
    made = bundle(name, customer, agent_id, wall_clock_ms())
    return msgspec.structs.replace(made, needs=(NEED,), interruption=make_hint(text=WORDS))


def reaching(**customers: list[str]) -> dict[str, str]:
    """Headers of an agent who may see some customers only."""
    now_s = wall_clock_ms() // 1000
    token = issue_token(SECRET, "desk-1", AGENT, 600, now_s, {"customers": customers})
    return {"Authorization": f"Bearer {token}"}


def test_a_phone_system_asks_for_the_bundle(gateway: RunningGateway, api: httpx.Client) -> None:
    tell(gateway, bundle_now())
    answer = api.get("/v1/customers/anna/bundle", headers=bearer("pbx", "chatbot") | {"Accept-Language": "en"})
    assert (answer.status_code, answer.headers["content-language"]) == (200, "en")
    document = answer.json()
    assert (document["agent_id"], document["interruption"]["say"]) == ("desk-1", "Premium due")
    assert [(need["code"], need["say"], need["policies"]) for need in document["needs"]] == [
        ("premium_due", "Premium due", ["p-1"])
    ]


def test_no_contact_is_said(api: httpx.Client) -> None:
    answer = api.get("/v1/customers/anna/bundle", headers=chatbot())
    assert answer.status_code == 404
    assert "found no contact under way, expected a customer somebody is talking to" in answer.json()["detail"]


def test_a_customer_id_that_is_too_long(api: httpx.Client) -> None:
    answer = api.get(f"/v1/customers/{'x' * 257}/bundle", headers=chatbot())
    assert answer.status_code == 400
    assert "found 257 characters, expected 1 to 256 characters" in answer.json()["detail"]


def test_a_desk_lists_its_own_bundles(gateway: RunningGateway, api: httpx.Client) -> None:
    tell(gateway, bundle_now(), bundle_now("b2", "bo", "desk-2"))
    found = api.get("/v1/bundles", headers=agent()).json()["bundles"]
    assert [(each["bundle_id"], each["needs"][0]["say"]) for each in found] == [("b1", "保费到期")]
    assert api.get("/v1/bundles", headers=chatbot()).status_code == 403
    assert api.get("/v1/bundles").status_code == 401


def test_who_may_not_see_the_customer_learns_nothing_and_is_counted(gateway: RunningGateway, api: httpx.Client) -> None:
    tell(gateway, bundle_now())
    before = gateway.metric("zhiyin_out_of_reach_total").get('where="rest"', 0.0)
    assert api.get("/v1/customers/anna/bundle", headers=reaching(branches=["bj"])).status_code == 404
    assert api.get("/v1/bundles", headers=reaching(regions=["east"])).json() == {"bundles": []}
    assert len(api.get("/v1/bundles", headers=reaching(branches=["sh"])).json()["bundles"]) == 1
    assert gateway.metric("zhiyin_out_of_reach_total")['where="rest"'] == before + 2
