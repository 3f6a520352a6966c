"""Bundles: one for a contact, with the open interruption and the needs; nothing remembered for ever."""

from datetime import date
from itertools import chain

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.contacts.bundle import (
    AnswerNews,
    Attendance,
    Bundle,
    BundleEnd,
    ContactInput,
    ContactOutput,
    CustomerWhereabouts,
    PolicyNews,
    TraitNews,
    bundle_document,
)
from operators.contacts.bundle_decision import POLICIES_A_CUSTOMER, BundleDecision
from operators.contacts.hot_questions import AnswerRated, QuestionAsked
from operators.hints.builder import hint_id
from operators.records.catalogue import Bundles, Catalogue, ControlGroup, NeedRule, Words
from operators.records.facts import Fact, FactKind
from operators.records.policies import Policy, Traits
from operators.records.routing import Whereabouts
from operators.support.snapshot_codec import StateUnreadable
from tests.operators.samples import NO_CONTROL_GROUP, REASONS, catalogue, fact, struggle

DAY_MS = 86_400_000
KEEP_MS = 30 * DAY_MS
NOW_MS = 1_767_225_600_000
TEXT = Words("说", "say")


def need(when: str, priority: int) -> NeedRule:
    return NeedRule(TEXT, when, TEXT, REASONS["unknown"].article, priority)


NEEDS = {
    "beneficiary": need("policy.has_beneficiary == false", 10),
    "premium": need("policy.premium_due_on != null", 90),
    "benefit": need("policy.unclaimed_benefit == true", 50),
}


def rules(at_most: int = 2, control: ControlGroup = NO_CONTROL_GROUP) -> Catalogue:
    return msgspec.structs.replace(catalogue(control_group=control), needs=NEEDS, bundles=Bundles(needs=at_most))


def decision(at_most: int = 2, control: ControlGroup = NO_CONTROL_GROUP) -> BundleDecision:
    return BundleDecision(rules(at_most, control), KEEP_MS, keeps_changes=True)


def call(started: bool = True, at_ms: int = NOW_MS, conversation: str | None = "k1", agent: str = "d1") -> Attendance:
    return Attendance("u1", started, at_ms, "phone", agent, conversation)


def news(at_ms: int = NOW_MS - DAY_MS, name: str = "p1", **fields: object) -> PolicyNews:
    return PolicyNews("u1", msgspec.convert({"policy_id": name, **fields}, Policy), at_ms)


def told(made: BundleDecision, *inputs: ContactInput) -> list[ContactOutput]:
    return list(chain.from_iterable(made.decide((each,), each.at_ms) for each in inputs))


def one(said: list[ContactOutput]) -> Bundle:
    assert len(said) == 1
    assert isinstance(said[0], Bundle)
    return said[0]


def test_a_contact_brings_one_bundle_with_the_interruption_and_the_needs_that_matter_most() -> None:
    made = decision()
    everything = news(has_beneficiary=False, premium_due_on=date(2026, 1, 1), unclaimed_benefit=True)
    assert [type(each) for each in told(made, everything, fact(at_ms=NOW_MS - 1000))] == [QuestionAsked]
    bundle = one(told(made, call()))
    assert [each.code for each in bundle.needs] == ["premium", "benefit"]
    assert bundle.more == 1
    assert bundle.interruption is not None
    assert (bundle.interruption.reason.code, bundle.interruption.step) == ("face_check", "face_check")
    assert bundle.interruption.article == REASONS["face_check"].article
    assert (bundle.agent_id, bundle.channel, bundle.expires_at_ms) == ("d1", "phone", NOW_MS + 3_600_000)


def test_the_same_contact_told_twice_is_one_bundle_and_a_transfer_is_another() -> None:
    made = decision()
    first = one(told(made, call()))
    assert told(made, call(at_ms=NOW_MS + 5)) == []
    end, second = told(made, call(at_ms=NOW_MS + 10, agent="d2"))
    assert end == BundleEnd(first.bundle_id, "u1", "d1", NOW_MS + 10)
    assert isinstance(second, Bundle)
    assert (second.agent_id, second.bundle_id != first.bundle_id) == ("d2", True)
    assert one(told(decision(), call())).bundle_id == first.bundle_id


def test_the_end_of_the_contact_closes_the_bundle_once() -> None:
    made = decision()
    first = one(told(made, call()))
    assert told(made, call(started=False, at_ms=NOW_MS + 5, conversation="another")) == []
    assert told(made, call(started=False, at_ms=NOW_MS - 5)) == []
    assert told(made, call(started=False, at_ms=NOW_MS + 9)) == [BundleEnd(first.bundle_id, "u1", "d1", NOW_MS + 9)]
    assert told(made, call(started=False, at_ms=NOW_MS + 9)) == []
    assert len(made) == 0


@pytest.mark.parametrize("ends", ["returned", "completed", "cancelled", "expired"])
def test_an_interruption_that_is_over_is_not_told(ends: FactKind) -> None:
    made = decision()
    told(made, fact(at_ms=NOW_MS - 2000), fact(ends, at_ms=NOW_MS - 1000))
    assert one(told(made, call())).interruption is None


def test_of_two_interruptions_the_later_is_told() -> None:
    made = decision()
    told(made, fact(at_ms=NOW_MS - 10), fact(attempt="a2", at_ms=NOW_MS - 20, journey="claim"))
    interruption = one(told(made, call())).interruption
    assert interruption is not None
    assert interruption.attempt_id == "a1"


def test_the_control_group_gets_its_needs_and_no_interruption() -> None:
    made = decision(control=ControlGroup(share=1.0))
    told(made, fact(at_ms=NOW_MS - 10), news(has_beneficiary=False))
    bundle = one(told(made, call()))
    assert (bundle.interruption, [each.code for each in bundle.needs]) == (None, ["beneficiary"])


def test_an_older_state_of_a_policy_changes_nothing_and_one_that_ended_calls_for_nothing() -> None:
    made = decision()
    told(made, news(NOW_MS - 100, has_beneficiary=True), news(NOW_MS - 200, has_beneficiary=False))
    told(made, news(NOW_MS - 100, "p2", status="surrendered"), news(NOW_MS - 300, "p2", has_beneficiary=False))
    assert one(told(made, call())).needs == ()


def test_whose_a_customer_is_is_told_when_it_changes() -> None:
    made = decision()
    assert told(made, news(branch="sh", owner_agent_id="d7")) == [CustomerWhereabouts("u1", Whereabouts("d7", "sh"))]
    assert told(made, news(NOW_MS - DAY_MS + 1, branch="sh", owner_agent_id="d7")) == []
    said = TraitNews("u1", Traits(owner_agent_id="d9", group="gold"), NOW_MS)
    assert told(made, said) == [CustomerWhereabouts("u1", Whereabouts("d9", "sh", None, "gold"))]
    earlier = TraitNews("u1", Traits(owner_agent_id="d1"), NOW_MS - 5)
    assert told(made, earlier) == []
    assert told(made, TraitNews("u1", Traits(region="east"), NOW_MS + 1)) == [
        CustomerWhereabouts("u1", Whereabouts("d9", "sh", "east", "gold"))
    ]
    assert one(told(made, call(at_ms=NOW_MS + 2))).branch == "sh"


def test_memory_is_bounded_in_policies_and_in_time() -> None:
    made = decision(at_most=9)
    told(made, *(news(NOW_MS + number, f"p{number:03d}", unclaimed_benefit=True) for number in range(80)))
    needs = one(told(made, call(at_ms=NOW_MS + 100))).needs
    assert needs[0].policies == tuple(f"p{number:03d}" for number in range(80 - POLICIES_A_CUSTOMER, 80))
    told(made, fact(at_ms=NOW_MS))
    while made.next_due_ms is not None:
        assert made.due(made.next_due_ms) == []
    assert len(made) == 0
    assert one(told(made, call(at_ms=NOW_MS + 2 * KEEP_MS))).needs == ()


def test_the_document_says_times_in_words_and_keeps_what_failed_to_itself() -> None:
    made = decision()
    told(made, fact(at_ms=NOW_MS - 1000))
    document = bundle_document(one(told(made, call())))
    assert (document["at"], document["expires_at"]) == ("2026-01-01T00:00:00.000Z", "2026-01-01T01:00:00.000Z")
    assert document["interruption"]["abandoned_at"] == "2025-12-31T23:59:59.000Z"
    assert "failures" not in document
    written = msgspec.json.decode(msgspec.json.encode(document))
    assert (written["customer_id"], written["needs"], written["more"]) == ("u1", [], 0)


def test_state_of_another_format_is_refused() -> None:
    with pytest.raises(StateUnreadable, match="expected 'zhiyin-bundles-1'"):
        decision().restore(msgspec.msgpack.encode(["other"]), [])


instants = st.integers(NOW_MS, NOW_MS + 40 * DAY_MS)
customers = st.sampled_from(["u1", "u2"])
inputs = st.one_of(
    st.builds(
        Attendance,
        customers,
        st.booleans(),
        instants,
        st.sampled_from(["phone", "x", None]),
        st.sampled_from(["d1", "d2", None]),
        st.sampled_from(["k1", "k2", None]),
    ),
    st.builds(
        PolicyNews, customers, st.builds(Policy, st.sampled_from(["p1", "p2"]), has_beneficiary=st.booleans()), instants
    ),
    st.builds(TraitNews, customers, st.builds(Traits, branch=st.none() | st.just("sh")), instants),
    st.builds(
        fact, st.sampled_from(["abandoned", "returned", "expired"]), customers, st.sampled_from(["a1", "a2"]), instants
    ),
    st.builds(struggle, customers, st.sampled_from(["a1", "a2"]), instants),
)


@given(st.lists(inputs, max_size=25), st.integers(0, 25))
def test_a_decision_taken_up_from_its_packs_goes_on_as_if_nothing_had_been(some: list[ContactInput], cut: int) -> None:
    one_piece, before = decision(), decision()
    packs: list[bytes] = []
    for each in some[:cut]:
        _step(one_piece, each)
        _step(before, each)
        packs.append(before.changes()[1])
    after = decision()
    after.restore(before.head(), packs)
    assert sorted(after.all_keys()) == sorted(before.all_keys())
    assert [_step(after, each) for each in some[cut:]] == [_step(one_piece, each) for each in some[cut:]]
    assert sorted(_rows(after)) == sorted(_rows(one_piece))


def _step(made: BundleDecision, given: ContactInput) -> list[ContactOutput]:
    return [*made.due(given.at_ms), *made.decide((given,), given.at_ms)]


def _rows(made: BundleDecision) -> list[bytes]:
    return [made.rows((key,)) for key in made.all_keys()]


def test_facts_of_customers_nobody_knows_cost_nothing() -> None:
    made = decision()
    ends: list[Fact] = [fact("completed", customer=f"c{number}") for number in range(10)]
    assert (made.decide(ends, NOW_MS), len(made)) == ([], 0)


def test_a_break_off_is_a_question_and_a_word_on_its_hint_rates_the_answer() -> None:
    made = decision()
    told(made, TraitNews("u1", Traits(group="gold"), NOW_MS - 50))
    broken = fact(at_ms=NOW_MS)
    groups = ("all", "journey:policy_loan", "group:gold")
    assert told(made, broken) == [QuestionAsked(groups, "policy_loan.face_check", NOW_MS)]
    assert told(made, fact("completed", at_ms=NOW_MS + 5)) == []
    rated = AnswerNews("u1", False, NOW_MS + 9, hint_id=hint_id(broken))
    assert told(made, rated) == [AnswerRated(groups, "policy_loan.face_check", False, NOW_MS + 9)]
    assert told(made, AnswerNews("u1", True, NOW_MS + 9, hint_id="another")) == []
    assert told(made, AnswerNews("u2", True, NOW_MS, question_id="claim.sms_code")) == [
        AnswerRated(("all", "journey:claim"), "claim.sms_code", True, NOW_MS)
    ]


def test_a_break_off_for_no_known_reason_asks_nothing() -> None:
    assert told(decision(), fact(reasons=())) == []
