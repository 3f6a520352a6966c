"""What topics are told: CloudEvents by customer, letters as everywhere, nothing larger than a broker takes."""

import msgspec
import pytest

from operators.hints.hint import Retirement
from operators.records.dead_letters import DeadLetter, NotALetter, dead_letter_document, read_letter
from operators.records.events import Rejection
from operators.records.facts import Fact
from state.facts.cloud_events import fact_event, hint_created_event, retirement_event
from state.facts.topic_documents import LARGEST_BYTES, letter_document, public_document
from tests.state.houses import NOON_MS, make_hint
from tests.state.shelves import letter

FACT = Fact("started", NOON_MS, "a-1", "anna", "loan", "t-1", "apply")
RETIREMENT = Retirement("h1", "anna", "returned", NOON_MS)


def test_facts_and_hints_are_cloud_events_with_the_customer_as_key() -> None:
    for told, event in (
        (FACT, fact_event(FACT)),
        (make_hint(), hint_created_event(make_hint())),
        (RETIREMENT, retirement_event(RETIREMENT)),
    ):
        document = public_document(told)
        assert document is not None
        assert (document.id, document.key) == (event["id"], "anna")
        assert document.value == msgspec.json.encode(event)


def test_a_letter_is_as_it_is_everywhere() -> None:
    document = letter_document(letter(7), "1")
    written = dead_letter_document(letter(7), "1")
    assert (document.id, document.key) == (written["id"], "anna")
    assert msgspec.json.decode(document.value) == written
    assert letter_document(msgspec.structs.replace(letter(7), customer_id=None), "1").key == ""


def test_a_fact_larger_than_a_broker_takes_is_none() -> None:
    assert public_document(msgspec.structs.replace(FACT, transaction_id="t" * (LARGEST_BYTES // 2))) is None
    assert public_document(msgspec.structs.replace(FACT, transaction_id="t" * (LARGEST_BYTES // 3))) is not None
    assert public_document(msgspec.structs.replace(FACT, customer_id="c" * (LARGEST_BYTES // 4))) is None


@pytest.mark.parametrize("customer_id", ["anna", None, "a" * LARGEST_BYTES])
@pytest.mark.parametrize("raw", [b"x" * LARGEST_BYTES, b"\xff" * LARGEST_BYTES])
def test_a_letter_larger_than_that_says_how_it_began_and_cannot_be_redriven(
    raw: bytes, customer_id: str | None
) -> None:
    large = DeadLetter(raw, (Rejection("not_json", "$", "'xxx'", "JSON"),), NOON_MS, customer_id, NOON_MS)
    document = letter_document(large, "1")
    assert len(document.value) < 10_000
    payload = msgspec.json.decode(document.value)["payload"]
    assert payload["raw_begins"] in {"x" * 1_000, r"\xff" * 250}
    assert payload["raw_characters"] >= LARGEST_BYTES
    assert (payload["customer_id"], document.key) == (
        (customer_id, customer_id or "") if customer_id != "a" * LARGEST_BYTES else (None, "")
    )
    assert document.id == dead_letter_document(large, "1")["id"]
    with pytest.raises(NotALetter):
        read_letter(document.value)
