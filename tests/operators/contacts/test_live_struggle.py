"""Who struggles while an agent talks to him, or shortly before, is shown to that agent; nobody else is."""

import msgspec
import pytest

from operators.contacts.bundle import Bundle, BundleChanged, ContactInput, ContactOutput, change_document
from operators.contacts.bundle_decision import BundleDecision
from operators.contacts.live_struggle import LASTS_MS
from operators.records.catalogue import ControlGroup
from operators.records.facts import FactKind
from tests.operators.contacts.test_bundle import NOW_MS, call, decision, one, told
from tests.operators.samples import REASONS, fact, struggle


def changes(said: list[ContactOutput]) -> list[BundleChanged]:
    return [each for each in said if isinstance(each, BundleChanged)]


def in_contact() -> tuple[BundleDecision, Bundle]:
    made = decision()
    return made, one(told(made, call()))


def test_who_struggles_in_the_middle_of_a_contact_is_shown_with_what_helps() -> None:
    made, bundle = in_contact()
    trouble = struggle(at_ms=NOW_MS + 5)
    [change] = changes(told(made, trouble))
    assert (change.bundle_id, change.agent_id, change.cause) == (bundle.bundle_id, "d1", trouble.id)
    assert change.struggling is not None
    assert change.struggling.reason.code == "face_check"
    assert change.struggling.article == REASONS["face_check"].article
    assert change.struggling.speak_after_ms is None
    document = msgspec.json.decode(msgspec.json.encode(change_document(change)))
    assert (document["at"], document["struggling"]["step"]) == ("2026-01-01T00:00:00.005Z", "face_check")


@pytest.mark.parametrize("end", ["completed", "cancelled", "expired"])
def test_the_end_of_that_transaction_ends_the_trouble_and_no_other_does(end: FactKind) -> None:
    made, bundle = in_contact()
    told(made, struggle(at_ms=NOW_MS + 5))
    assert told(made, fact(end, attempt="a2", at_ms=NOW_MS + 6), fact("returned", at_ms=NOW_MS + 7)) == []
    over = fact(end, at_ms=NOW_MS + 8)
    assert told(made, over) == [BundleChanged(bundle.bundle_id, "u1", "d1", over.id, NOW_MS + 8, None)]
    assert told(made, fact(end, at_ms=NOW_MS + 9)) == []


def test_who_struggled_shortly_before_he_called_is_shown_so_from_the_start() -> None:
    made = decision()
    assert told(made, struggle(at_ms=NOW_MS - 60_000)) == []
    bundle = one(told(made, call()))
    assert bundle.struggling is not None
    assert (bundle.struggling.reason.code, bundle.interruption) == ("face_check", None)
    long_ago = decision()
    told(long_ago, struggle(at_ms=NOW_MS - LASTS_MS))
    assert one(told(long_ago, call())).struggling is None


def test_a_contact_heard_of_after_what_happened_in_it_is_told_all_in_order() -> None:
    """As after a crash, when the bus is read again: facts and contacts come by different ways."""
    in_order, late = decision(), decision()
    happened: tuple[ContactInput, ...] = call(), struggle(at_ms=NOW_MS + 5), fact("completed", at_ms=NOW_MS + 8)
    said = [in_order.decide((each,), NOW_MS + 9) for each in happened]
    contact, *facts = happened
    assert [late.decide((each,), NOW_MS + 9) for each in (*facts, contact)] == [[], [], [*said[0], *said[1], *said[2]]]


def test_a_transaction_that_broke_off_is_told_as_interrupted_alone() -> None:
    made = decision()
    told(made, struggle(at_ms=NOW_MS - 600_000), fact(at_ms=NOW_MS - 1000))
    bundle = one(told(made, call()))
    assert (bundle.struggling, bundle.interruption is not None) == (None, True)


def test_nothing_is_shown_that_nobody_knows_the_reason_of() -> None:
    made, _ = in_contact()
    assert told(made, struggle(at_ms=NOW_MS + 5, code="strange")) == []


def test_an_earlier_struggle_that_comes_late_does_not_replace_the_latest() -> None:
    made, _ = in_contact()
    told(made, struggle(at_ms=NOW_MS + 9))
    assert told(made, struggle(attempt="a2", at_ms=NOW_MS + 8)) == []


def test_nobody_is_told_of_the_control_group_nor_where_the_desk_is_not_known() -> None:
    control = decision(control=ControlGroup(share=1.0))
    told(control, struggle(at_ms=NOW_MS - 5))
    assert one(told(control, call())).struggling is None
    assert told(control, struggle(at_ms=NOW_MS + 5), fact("completed", at_ms=NOW_MS + 6)) == []
    nowhere = decision()
    told(nowhere, msgspec.structs.replace(call(), agent_id=None))
    assert told(nowhere, struggle(at_ms=NOW_MS + 5)) == []


def test_a_struggle_is_remembered_for_an_hour_and_no_longer() -> None:
    made = decision()
    told(made, struggle(at_ms=NOW_MS))
    assert made.next_due_ms == NOW_MS + LASTS_MS
    assert made.due(NOW_MS + LASTS_MS) == []
    assert len(made) == 0
