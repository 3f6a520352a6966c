"""Policies and traits out of raw events."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.records.events import Rejection
from operators.records.policies import Policy, Traits, read_policy, read_traits


def updated(**properties: object) -> bytes:
    return msgspec.json.encode({"type": "track", "event": "Policy Updated", "userId": "u", "properties": properties})


def test_a_policy_is_read_and_what_is_not_ours_passes_by() -> None:
    policy = read_policy(updated(policy_id="p-1", premium_due_on="2026-05-04", has_beneficiary=False, name="Wang"))
    assert isinstance(policy, Policy)
    assert (policy.policy_id, str(policy.premium_due_on), policy.has_beneficiary) == ("p-1", "2026-05-04", False)
    assert "Wang" not in str(policy)


@pytest.mark.parametrize(
    ("raw", "path", "found"),
    [
        (updated(), "$.properties", "no field policy_id"),
        (updated(policy_id=""), "$.properties.policy_id", "something else"),
        (updated(policy_id="p", premium_due_on="soon"), "$.properties.premium_due_on", "something else"),
        (updated(policy_id="p", has_phone="yes"), "$.properties.has_phone", "str"),
        (updated(policy_id="p", claim_documents_missing=-1), "$.properties.claim_documents_missing", "something else"),
        (b'{"event":"Policy Updated"}', "$", "no field properties"),
        (b"{", "$", "'{'"),
    ],
)
def test_a_wrong_policy_is_refused_with_its_field(raw: bytes, path: str, found: str) -> None:
    refusal = read_policy(raw)
    assert isinstance(refusal, Rejection)
    assert (refusal.path, refusal.found) == (path, found)


def test_traits_say_whose_a_customer_is_and_others_pass_by() -> None:
    raw = b'{"type":"identify","traits":{"owner_agent_id":"d1","branch":"sh","region":5,"group":"","email":"a@b"}}'
    assert read_traits(raw) == Traits(owner_agent_id="d1", branch="sh")
    assert read_traits(b'{"type":"identify"}').is_empty


@given(st.binary(max_size=200) | st.text().map(str.encode))
def test_nothing_breaks_the_readers(raw: bytes) -> None:
    assert isinstance(read_policy(raw), Policy | Rejection)
    assert isinstance(read_traits(raw), Traits)
