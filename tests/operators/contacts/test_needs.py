"""Needs: what policies call for, by the rules of the catalogue that is shipped."""

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import load_catalogue
from operators.contacts.needs import NeedRules, NotAnExpression, compiled
from operators.records.catalogue import Bundles, ContactChannel, NeedRule, Words
from operators.records.policies import FIELDS, Policy
from tests.operators.samples import REASONS, catalogue
from tests.parts.machine import ROOT

TODAY = date(2026, 5, 4)
NOW_MS = round(datetime(2026, 5, 4, 4, tzinfo=UTC).timestamp() * 1000)
SHIPPED = NeedRules(load_catalogue(ROOT / "config" / "catalog"))
TEXT = Words("说", "say")


def in_days(days: int) -> date:
    return TODAY + timedelta(days=days)


def rule(when: str, channels: tuple[ContactChannel, ...] = ("phone", "counter")) -> NeedRule:
    return NeedRule(TEXT, when, TEXT, REASONS["unknown"].article, channels=channels)


def rules(zone: str = "UTC", **needs: NeedRule) -> NeedRules:
    return NeedRules(msgspec.structs.replace(catalogue(), needs=needs, bundles=Bundles(zone=zone)))


def codes(
    *policies: Policy, of: NeedRules = SHIPPED, channel: ContactChannel = "phone", now_ms: int = NOW_MS
) -> list[str]:
    return [need.code for need in of.needs(policies, channel, now_ms).found]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Policy("p"), []),
        (Policy("p", premium_due_on=in_days(7)), ["premium_due"]),
        (Policy("p", premium_due_on=in_days(8)), []),
        (Policy("p", grace_ends_on=in_days(0)), ["premium_due"]),
        (Policy("p", grace_ends_on=in_days(-1)), []),
        (Policy("p", unclaimed_benefit=True), ["unclaimed_benefit"]),
        (Policy("p", unclaimed_benefit=False), []),
        (Policy("p", id_document_expires_on=in_days(-400)), ["id_document_expired"]),
        (Policy("p", id_document_expires_on=in_days(30)), ["id_document_expired"]),
        (Policy("p", id_document_expires_on=in_days(31)), []),
        (Policy("p", has_beneficiary=False), ["beneficiary_missing"]),
        (Policy("p", has_beneficiary=True, has_phone=True, has_address=True), []),
        (Policy("p", has_address=False), ["contact_details_missing"]),
        (Policy("p", loan_interest_due_on=in_days(3)), ["loan_interest_due"]),
        (Policy("p", claim_documents_missing=2), ["claim_documents"]),
        (Policy("p", claim_documents_missing=0), []),
    ],
)
def test_the_shipped_rules_find_each_need_and_only_it(policy: Policy, expected: list[str]) -> None:
    assert codes(policy) == expected


def test_needs_are_ranked_and_name_the_policies_they_are_about() -> None:
    policies = [
        Policy("p1", has_beneficiary=False, unclaimed_benefit=True),
        Policy("p2", has_beneficiary=False, premium_due_on=TODAY),
    ]
    found = SHIPPED.needs(policies, "counter", NOW_MS).found
    assert [(need.code, need.policies) for need in found] == [
        ("premium_due", ("p2",)),
        ("unclaimed_benefit", ("p1",)),
        ("beneficiary_missing", ("p1", "p2")),
    ]


def test_every_channel_is_told_the_same_words() -> None:
    policies = [Policy("p", has_beneficiary=False, premium_due_on=TODAY)]
    told = [SHIPPED.needs(policies, channel, NOW_MS).found for channel in ("phone", "counter", "chat", None)]
    assert told[0] == told[1] == told[2] == told[3]
    assert len(told[0]) == 2


def test_a_rule_may_be_kept_to_some_channels() -> None:
    own = rules(face=rule("true", channels=("counter",)))
    assert codes(Policy("p"), of=own, channel="counter") == ["face"]
    assert codes(Policy("p"), of=own, channel="phone") == []


def test_today_is_the_date_of_the_catalogues_zone() -> None:
    late_ms = round(datetime(2026, 5, 3, 17, tzinfo=UTC).timestamp() * 1000)
    due = rule("policy.premium_due_on == today")
    policy = Policy("p", premium_due_on=TODAY)
    assert codes(policy, of=rules("Asia/Shanghai", due=due), now_ms=late_ms) == ["due"]
    assert codes(policy, of=rules("UTC", due=due), now_ms=late_ms) == []


def test_what_cannot_be_evaluated_is_counted_and_the_others_still_are() -> None:
    shaky = "policy.claim_documents_missing != null && 10 / (policy.claim_documents_missing - 5) > 0"
    some = [Policy("p", claim_documents_missing=5), Policy("q", claim_documents_missing=6)]
    found = rules(shaky=rule(shaky), all=rule("true")).needs(some, None, NOW_MS)
    assert [(need.code, need.policies) for need in found.found] == [("all", ("p", "q")), ("shaky", ("q",))]
    assert found.failures == {"shaky": 1}


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("policy.premium_due_on <", "Syntax error"),
        ("policy.premium", "no such field: premium"),
        ("customer.name == 'x'", "the name 'customer'"),
        ("policy.premium_amount_due", "the answer None"),
        ("1 + 1", "the answer 2"),
        ("policy.premium_due_on < today", "No such overload"),
        ("__import__('os')", "__import__"),
    ],
)
def test_what_is_no_expression_is_refused_in_words(expression: str, words: str) -> None:
    with pytest.raises(NotAnExpression) as caught:
        compiled(expression)
    assert words in caught.value.found
    assert str(caught.value).startswith(f"expression {expression!r}: found ")
    assert str(caught.value).endswith("expected one in CEL over now, policy, today that is true or false")


dates = st.none() | st.dates(date(1, 1, 1), date(9999, 12, 31))
amounts = st.none() | st.floats(0, allow_nan=False, allow_infinity=False)
policies = st.builds(
    Policy,
    policy_id=st.text(min_size=1, max_size=5),
    status=st.none() | st.text(min_size=1, max_size=5),
    premium_due_on=dates,
    premium_amount_due=amounts,
    grace_ends_on=dates,
    unclaimed_benefit=st.none() | st.booleans(),
    id_document_expires_on=dates,
    has_beneficiary=st.none() | st.booleans(),
    has_phone=st.none() | st.booleans(),
    has_address=st.none() | st.booleans(),
    loan_interest_due_on=dates,
    claim_documents_missing=st.none() | st.integers(0, 2**62),
)


@given(st.lists(policies, max_size=4), st.integers(946_684_800_000, 4_102_444_800_000))
def test_no_policy_stops_the_shipped_rules(some: list[Policy], now_ms: int) -> None:
    found = SHIPPED.needs(some, None, now_ms)
    assert found.failures == {}
    assert [need.priority for need in found.found] == sorted((need.priority for need in found.found), reverse=True)


def test_every_field_of_a_policy_is_a_date_an_amount_a_number_a_switch_or_a_short_name() -> None:
    types = {str(field.type) for field in msgspec.structs.fields(Policy)}
    assert len(FIELDS) == len(msgspec.structs.fields(Policy))
    assert not [each for each in types if "dict" in each or "list" in each or "Any" in each]
