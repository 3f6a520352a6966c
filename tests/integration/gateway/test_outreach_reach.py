"""The outreach list for agents of one branch, one region, one skill: they see and call what is theirs alone."""

import httpx

from gateway.auth.tokens import AGENT, issue_token
from gateway.ingest.collector import wall_clock_ms
from state.redis.connections import connect
from tests.gateway.api.test_outreach import claim, end, entry_now, kind_of, listed, put, told
from tests.gateway.running import SECRET, RunningGateway


def test_an_agent_of_one_branch_sees_and_calls_its_customers_alone(gateway: RunningGateway) -> None:
    put(gateway, entry_now("ours"), entry_now("theirs", customer_id="bert"), entry_now("nobodys", customer_id="cy"))
    with connect(gateway.settings.redis_url or "") as client:
        for customer, branch in (("anna", "north"), ("bert", "south")):
            client.hset(f"zy:customer:{customer}", "branch", branch)
    token = issue_token(SECRET, "desk-1", AGENT, 600, wall_clock_ms() // 1000, {"customers": {"branches": ["north"]}})
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=gateway.addresses.http, timeout=120, headers=headers) as api:
        assert [each["outreach_id"] for each in listed(api)] == ["ours"]
        for answer in (claim(api, "theirs"), end(api, "theirs", "reached"), api.delete("/v1/outreach/theirs/claims")):
            assert kind_of(answer) == (404, "not_found")
        refused = api.put("/v1/customers/bert/do-not-call")
        assert kind_of(refused) == (403, "forbidden")
        assert refused.json()["errors"][0]["found"] == "a customer of another branch"
        assert claim(api, "ours").status_code == 200
        assert end(api, "ours", "do_not_call").status_code == 200
        assert api.delete("/v1/customers/anna/do-not-call").json()["changed"] is True


def test_an_agent_sees_and_calls_where_he_has_the_skill(gateway: RunningGateway) -> None:
    put(gateway, entry_now("loans", skill="loans"), entry_now("claims", skill="claims"), entry_now("anybodys"))
    token = issue_token(SECRET, "desk-1", AGENT, 600, wall_clock_ms() // 1000, {"skills": ["loans"]})
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=gateway.addresses.http, timeout=120, headers=headers) as api:
        assert sorted(each["outreach_id"] for each in listed(api)) == ["anybodys", "loans"]
        for answer in (claim(api, "claims"), end(api, "claims", "reached"), api.delete("/v1/outreach/claims/claims")):
            assert kind_of(answer) == (404, "not_found")
        assert claim(api, "loans").status_code == 200


def test_an_agent_of_one_region_is_refused_the_others_by_name_and_that_is_counted(gateway: RunningGateway) -> None:
    put(gateway, entry_now("east"), entry_now("west", customer_id="bert"), entry_now("unsaid", customer_id="cy"))
    with connect(gateway.settings.redis_url or "") as client:
        for customer, region in (("anna", "east"), ("bert", "west")):
            client.hset(f"zy:customer:{customer}", "region", region)
    before = sum(gateway.metric("zhiyin_out_of_reach_total").values())
    token = issue_token(SECRET, "desk-1", AGENT, 600, wall_clock_ms() // 1000, {"customers": {"regions": ["east"]}})
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=gateway.addresses.http, timeout=120, headers=headers) as api:
        assert [each["outreach_id"] for each in listed(api)] == ["east"]
        for name in ("west", "unsaid"):
            refused = claim(api, name)
            assert kind_of(refused) == (404, "not_found")
            assert refused.json()["detail"] == f"outreach {name}: found no such entry, expected one of the list"
        assert sum(gateway.metric("zhiyin_out_of_reach_total").values()) == before + 4
        wish = api.put("/v1/customers/nobody/do-not-call")
        assert (kind_of(wish), wish.json()["errors"][0]["path"]) == ((403, "forbidden"), "customer_id")
    assert told(gateway) == []
