"""Events in: what is taken, what is refused and in which words, and that nothing ever raises."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from operators.records.events import (
    ACTIVITY,
    STEP_VIEWED,
    SURROUNDINGS,
    VOCABULARY,
    Event,
    Rejection,
    excerpt,
    read_event,
    read_events,
)

VIEW = {
    "type": "track",
    "event": STEP_VIEWED,
    "messageId": "m1",
    "userId": "u1",
    "timestamp": "2026-03-01T12:00:00.000Z",
    "properties": {"journey": "policy_loan", "transaction_id": "t1", "step": "apply", "amount": 1, "note": {"a": [1]}},
    "context": {"channel": "app", "page": {"path": "/loan"}, "library": {"name": "analytics.js"}},
}


def raw(**changes: object) -> bytes:
    """``VIEW`` as bytes, with fields changed."""
    return json.dumps({**VIEW, **changes}).encode()


def refused(data: bytes) -> Rejection:
    found = read_event(data)
    assert isinstance(found, Rejection)
    return found


def taken(data: bytes) -> Event:
    found = read_event(data)
    assert isinstance(found, Event)
    return found


def test_a_view_is_read_and_the_rest_passes_by() -> None:
    event = taken(raw())
    assert (event.type, event.event, event.message_id, event.customer_id) == ("track", STEP_VIEWED, "m1", "u1")
    assert event.timestamp == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert event.properties is not None
    assert (event.properties.journey, event.properties.transaction_id, event.properties.step) == (
        "policy_loan",
        "t1",
        "apply",
    )
    assert event.context is not None
    assert event.context.channel == "app"


def test_the_user_goes_before_the_anonymous_visitor() -> None:
    assert taken(raw(anonymousId="a1")).customer_id == "u1"
    assert taken(raw(userId=None, anonymousId="a1")).customer_id == "a1"
    assert taken(raw(userId="", anonymousId="a1")).customer_id == "a1"


@pytest.mark.parametrize("code", ["E-17", 17, None])
def test_an_error_code_is_a_word_or_a_number(code: str | int | None) -> None:
    event = taken(raw(properties={"journey": "j", "error_code": code}))
    assert event.properties is not None
    assert event.properties.error_code == code


@pytest.mark.parametrize("timestamp", ["2026-03-01T12:00:00", "2026-03-01 20:00:00+08:00", None])
def test_naive_zoned_and_absent_times_are_read(timestamp: str | None) -> None:
    assert (taken(raw(timestamp=timestamp)).timestamp is None) is (timestamp is None)


@pytest.mark.parametrize(
    ("data", "kind", "path", "found", "expected"),
    [
        (b"", "not_json", "$", "''", "one JSON object in UTF-8 (Input data was truncated)"),
        (b"hello", "not_json", "$", "'hello'", "one JSON object in UTF-8"),
        (b'{"userId": "u1"', "not_json", "$", '\'{"userId": "u1"\'', "one JSON object in UTF-8"),
        (b'{"userId": "u1"} {}', "not_json", "$", '\'{"userId": "u1"} {}\'', "one JSON object in UTF-8"),
        (b'{"userId": "\xff"}', "not_json", "$", '\'{"userId": "\\\\xff"}\'', "one JSON object in UTF-8"),
        (b'{"userId": "\\ud800"}', "not_json", "$", '\'{"userId": "\\\\ud800"}\'', "one JSON object in UTF-8"),
        (b"[" * 100_000, "wrong_type", "$", "array", "object"),
        (b'{"x":' * 100_000, "not_json", "$", "(500000 bytes)", "JSON nested less deeply"),
        (b"[]", "wrong_type", "$", "array", "object"),
        (b"null", "wrong_type", "$", "null", "object"),
        (raw(userId=17), "wrong_type", "$.userId", "int", "str | null"),
        (raw(timestamp=1_700_000_000), "wrong_type", "$.timestamp", "int", "datetime | null"),
        (raw(properties={"journey": "j", "step": 3}), "wrong_type", "$.properties.step", "int", "str | null"),
        (raw(properties={"journey": ["j"]}), "wrong_type", "$.properties.journey", "array", "str | null"),
        (raw(properties=[]), "wrong_type", "$.properties", "array", "object | null"),
        (raw(userId=None), "no_customer", "$.userId", "neither", "userId or anonymousId, not empty"),
        (raw(userId=""), "no_customer", "$.userId", "an empty one", "userId or anonymousId, not empty"),
        (b"{}", "no_customer", "$.userId", "neither", "userId or anonymousId, not empty"),
    ],
    ids=lambda each: each[:24] if isinstance(each, bytes) else None,
)
def test_what_is_refused_and_in_which_words(data: bytes, kind: str, path: str, found: str, expected: str) -> None:
    rejection = refused(data)
    assert (rejection.kind, rejection.path) == (kind, path)
    assert found in rejection.found
    assert rejection.expected.startswith(expected)
    assert str(rejection) == f"{path}: found {rejection.found}, expected {rejection.expected}"


@pytest.mark.parametrize("timestamp", ["yesterday", "2026-13-01T00:00:00Z", "2016-12-31T23:59:60Z", ""])
def test_a_time_that_is_none_is_refused_at_its_place(timestamp: str) -> None:
    rejection = refused(raw(timestamp=timestamp))
    assert (rejection.kind, rejection.path) == ("wrong_type", "$.timestamp")
    assert "RFC3339" in str(rejection)


@pytest.mark.parametrize("event_type", ["track", "identify", "page", "screen", "group", "alias"])
def test_somebody_elses_event_may_have_properties_of_its_own_types(event_type: str) -> None:
    event = taken(raw(type=event_type, event="Order Done", properties={"step": 3, "journey": []}, context=[]))
    assert (event.type, event.event, event.customer_id, event.message_id) == (event_type, "Order Done", "u1", "m1")
    assert event.properties is None
    assert event.timestamp == datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_an_identify_needs_no_event_name() -> None:
    data = json.dumps({"type": "identify", "userId": "u1", "properties": {"step": 3}}).encode()
    assert taken(data).type == "identify"


def test_somebody_elses_event_still_needs_a_customer_and_a_time_that_is_one() -> None:
    properties = {"step": 3}
    assert refused(raw(event="Order Done", userId=None, properties=properties)).kind == "wrong_type"
    assert refused(raw(event="Order Done", timestamp=5, properties=properties)).path == "$.timestamp"
    assert refused(raw(event="Order Done", userId=[], properties=properties)).path == "$.userId"


@pytest.mark.parametrize("name", sorted(VOCABULARY))
def test_an_event_of_our_vocabulary_is_judged(name: str) -> None:
    assert refused(raw(event=name, properties={"step": 3})).path == "$.properties.step"


def test_the_vocabulary_is_in_two_parts() -> None:
    assert not ACTIVITY & SURROUNDINGS


def test_an_excerpt_is_short_and_printable() -> None:
    assert excerpt(b"\x00\xffabc") == repr("\x00\\xffabc")
    assert excerpt(b"x" * 81) == repr("x" * 80) + "... (81 bytes)"


def test_a_list_is_read_as_one_by_one_even_where_lines_do_not_fit_events() -> None:
    two_in_one = b'{"userId":"a"}\n{"userId":"b"}'
    for raws in (
        [two_in_one, b""],
        [b" ", two_in_one],
        [b'{"userId":\n"a"}', raw()],
        [raw(), b"\n"],
        [b'{"userId":"a"},', raw()],
        [],
    ):
        assert read_events(raws) == [read_event(each) for each in raws]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
property_names = st.sampled_from(["journey", "step", "x", "error_code", "helpful", "zz"])
properties = st.dictionaries(property_names, json_values, max_size=4)
fields = {
    "type": json_values | st.sampled_from(["track", "identify"]),
    "event": json_values | st.sampled_from(sorted(VOCABULARY)),
    "messageId": json_values,
    "userId": json_values | st.text(min_size=1, max_size=5),
    "anonymousId": json_values,
    "timestamp": json_values | st.datetimes().map(datetime.isoformat),
    "originalTimestamp": json_values,
    "sentAt": json_values,
    "properties": json_values | properties,
    "context": json_values,
}
documents = st.fixed_dictionaries({}, optional=fields).map(lambda each: json.dumps(each).encode())
broken_lines = documents.map(lambda each: each.replace(b",", b"\n,"))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A document with a few bytes put into it."""
    whole, place = draw(documents), draw(st.integers(0, 200))
    return whole[:place] + draw(st.binary(max_size=3)) + whole[place:]


any_bytes = st.one_of(st.binary(max_size=60), documents, broken_lines, damaged())


@settings(deadline=None, max_examples=400)
@given(any_bytes)
@example(b'{"userId":"a","properties":{"x":1e999}}')
@example(b'{"userId":"a","properties":{"error_code":' + b"9" * 5_000 + b"}}")
@example(b'{"userId":"a","event":"Order Done","properties":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b"}")
@example(b"\xef\xbb\xbf{}")
def test_no_bytes_raise_and_a_refusal_says_why(data: bytes) -> None:
    found = read_event(data)
    if isinstance(found, Rejection):
        assert found.kind in ("not_json", "wrong_type", "no_customer")
        assert found.path.startswith("$")
        assert found.found
        assert found.expected
        str(found).encode()
    else:
        assert found.customer_id
        found.customer_id.encode()


@settings(deadline=None)
@given(st.lists(any_bytes, max_size=6))
@example([b'{"userId":"a"}\n{"userId":"b"}', b""])
def test_a_list_is_read_as_its_events_are(raws: list[bytes]) -> None:
    assert _comparable(read_events(raws)) == _comparable([read_event(each) for each in raws])


def _comparable(found: list[Event | Rejection]) -> list[str]:
    """As text, in which nan equals nan."""
    return [repr(each) for each in found]
