"""What nobody reads goes no further; what is read arrives as it was."""

import json

from hypothesis import given
from hypothesis import strategies as st

from operators.records.event_fields import known_event
from operators.records.events import Event, read_event
from operators.records.policies import read_policy, read_traits
from tests.gateway.events_made import event_json, json_values


def kept(**event: object) -> dict[str, object]:
    document: dict[str, object] = json.loads(known_event(json.dumps(event).encode()))
    return document


def test_names_numbers_and_pages_are_left_out() -> None:
    assert kept(
        type="track",
        event="Transaction Step Failed",
        userId="c-1",
        messageId="m",
        timestamp="2026-05-04T11:59:00.000Z",
        name="张三",
        properties={
            "journey": "policy_loan",
            "step": "sms",
            "phone": "13912345678",
            "code": 7,
            "target": {"value": "x"},
        },
        context={"channel": "app", "ip": "10.1.1.1", "page": {"url": "https://x.example/?id=110101199001011234"}},
        traits={"name": "张三"},
    ) == {
        "type": "track",
        "event": "Transaction Step Failed",
        "userId": "c-1",
        "messageId": "m",
        "timestamp": "2026-05-04T11:59:00.000Z",
        "properties": {"journey": "policy_loan", "step": "sms", "code": 7},
        "context": {"channel": "app"},
    }


def test_policies_and_traits_keep_what_is_read_of_them() -> None:
    policy = {"policy_id": "p", "premium_due_on": "2026-06-01", "has_phone": False, "holder": "张三"}
    event = kept(type="track", event="Policy Updated", userId="c", properties=policy)
    assert event["properties"] == {"policy_id": "p", "premium_due_on": "2026-06-01", "has_phone": False}
    assert read_policy(json.dumps(event).encode()) == read_policy(json.dumps({"properties": policy}).encode())
    who = kept(type="identify", userId="c", traits={"region": "north", "email": "z@x.example", "name": "张三"})
    assert who["traits"] == {"region": "north"}
    assert read_traits(json.dumps(who).encode()).region == "north"


@given(event_json_made=st.dictionaries(st.text(max_size=12), json_values, max_size=6), inside=json_values)
def test_what_is_read_is_the_same_before_and_after(event_json_made: dict[str, object], inside: object) -> None:
    raw = event_json(**{**event_json_made, "more": inside})
    before = read_event(raw)
    if isinstance(before, Event):
        assert read_event(known_event(raw)) == before
