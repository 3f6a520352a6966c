"""A letter gives back the bytes that were refused, and what the bus knew of them."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.records.dead_letters import (
    DeadLetter,
    NotALetter,
    ReturningEvent,
    StoredLetter,
    dead_letter_document,
    letter_id,
    read_letter,
)
from operators.records.events import Rejection

NOON_MS = 1_800_000_000_000
REFUSAL = Rejection("unknown_step", "$.properties.step", "'idd'", "one of apply, confirm")


def letter(
    raw: bytes = b"{", at_ms: int | None = NOON_MS, *, of: str | None = None, time: int | None = None
) -> DeadLetter:
    return DeadLetter(raw, (REFUSAL,), at_ms, of, time)


def stored(of: DeadLetter) -> StoredLetter:
    return read_letter(msgspec.json.encode(dead_letter_document(of, "1")))


@given(st.binary(max_size=40), st.none() | st.integers(0, 4_000_000_000_000), st.text(max_size=5))
def test_any_bytes_come_back_as_they_were(raw: bytes, at_ms: int | None, customer: str) -> None:
    written = letter(raw, at_ms, of=customer, time=at_ms)
    found = stored(written)
    assert found.raw == raw
    assert found.stable_id == found.id == letter_id(written)
    assert found.event() == ReturningEvent(customer, at_ms or 0, raw)


def test_a_letter_is_its_bytes_and_its_time() -> None:
    assert letter_id(letter(b"\xc3\xbf")) != letter_id(letter(b"\xff"))
    assert len({letter_id(letter()), letter_id(letter(b"[")), letter_id(letter(at_ms=1))}) == 3
    assert letter_id(letter()) == letter_id(letter())


def test_what_the_letter_does_not_say_the_event_does() -> None:
    raw = b'{"event":"x","anonymousId":"bo","timestamp":"2027-01-15T07:59:59.500Z"}'
    assert stored(letter(raw)).event() == ReturningEvent("bo", NOON_MS - 500, raw)


def test_what_nobody_says_is_as_of_its_arrival_and_nobodys() -> None:
    assert stored(letter(b"no json")).event() == ReturningEvent("", NOON_MS, b"no json")
    assert stored(letter(b"no json", None)).event() == ReturningEvent("", 0, b"no json")


def test_letters_of_older_versions_are_read() -> None:
    document = dead_letter_document(letter(b'{"userId":"mei"}'), "0.1")
    del document["id"], document["payload"]["customer_id"], document["payload"]["time"]
    found = read_letter(msgspec.json.encode(document))
    assert found.id is None
    assert found.stable_id == letter_id(letter(b'{"userId":"mei"}'))
    assert found.event() == ReturningEvent("mei", NOON_MS, b'{"userId":"mei"}')


@pytest.mark.parametrize(
    ("document", "found"),
    [
        (b"[]", "Expected `object`, got `array`"),
        (b"{}", "Object missing required field `failure`"),
        (b"", "Input data was truncated"),
        (b'{"failure":{"kind":"\xff"}}', "'utf-8' codec can't decode"),
    ],
)
def test_what_is_no_letter_is_refused_in_words(document: bytes, found: str) -> None:
    with pytest.raises(NotALetter) as refused:
        read_letter(document)
    assert refused.value.found.startswith(found)
    assert str(refused.value).startswith(f"dead letter: found {found}")
    assert str(refused.value).endswith(
        ", expected a document of Zhiyin's with failure, payload and processor; see what else writes there"
    )
