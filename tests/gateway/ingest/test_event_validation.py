import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.ingest.event_validation import EARLIEST_MS, EVENT_BYTES, RequestContext, validate, validate_all
from operators.records.events import Rejection, read_event
from operators.support.timestamps import to_ms
from state.bus.protocol import OutgoingEvent
from tests.gateway.events_made import event_json, json_values, mutated_events

NOW_MS = to_ms(datetime(2026, 5, 4, 12, 0, tzinfo=UTC))
DOOR = RequestContext(NOW_MS, 60_000)


def taken(raw: bytes, door: RequestContext = DOOR) -> OutgoingEvent:
    outcome = validate(raw, door, lambda: "made-here")
    assert isinstance(outcome, OutgoingEvent), outcome
    return outcome


def refused(raw: bytes, door: RequestContext = DOOR) -> Rejection:
    outcome = validate(raw, door, lambda: "made-here")
    assert isinstance(outcome, Rejection), outcome
    return outcome


def test_a_good_event_goes_on_as_it_came() -> None:
    raw = b'{ "type":"track", "event":"Policy Printed" ,"messageId":"m-1","userId":"c-1", "mine": [1.50, 1e3] }'
    assert taken(raw) == OutgoingEvent("c-1", NOW_MS, raw)


def test_the_visitor_is_the_customer_until_somebody_logs_in() -> None:
    assert taken(event_json(userId=None, anonymousId="visitor")).customer_id == "visitor"
    assert taken(event_json(userId="c", anonymousId="visitor")).customer_id == "c"


@pytest.mark.parametrize("given_id", [None, ""])
def test_an_event_without_a_message_id_is_given_one(given_id: str | None) -> None:
    raw = event_json(messageId=given_id)
    event = read_event(taken(raw).raw)
    assert not isinstance(event, Rejection)
    assert event.message_id == "made-here"
    assert taken(raw).raw.startswith(raw[:-1])


def test_line_breaks_between_members_are_taken_out_and_nothing_else() -> None:
    raw = json.dumps(json.loads(event_json(properties={"journey": "loan", "note": "a\nb", "n": 1.0})), indent=2)
    made = taken(raw.encode()).raw
    assert b"\n" not in made
    assert json.loads(made) == json.loads(raw)


def test_the_endpoint_says_the_type_where_the_event_does_not() -> None:
    door = msgspec.structs.replace(DOOR, expected_type="identify")
    event = read_event(taken(b'{"userId":"c","traits":{"plan":"gold"}}', door).raw)
    assert not isinstance(event, Rejection)
    assert event.type == "identify"


def test_an_event_of_another_type_than_its_endpoint() -> None:
    door = msgspec.structs.replace(DOOR, expected_type="identify")
    assert str(refused(event_json(), door)) == "$.type: found 'track', expected 'identify' on this endpoint, or none"


def test_the_context_of_the_batch_is_added_to_an_event_without_one() -> None:
    door = msgspec.structs.replace(DOOR, context=b'{\n"channel":"server"}')
    without, own = event_json(), event_json(context={"channel": "browser"})
    assert json.loads(taken(without, door).raw)["context"] == {"channel": "server"}
    assert taken(own, door).raw == own
    assert b"\n" not in taken(without, door).raw


def test_a_foreign_event_keeps_its_odd_context() -> None:
    door = msgspec.structs.replace(DOOR, context=b'{"channel":"server"}')
    assert json.loads(taken(event_json(event="Theirs", context="odd"), door).raw)["context"] == "odd"


@pytest.mark.parametrize(
    ("raw", "kind", "text"),
    [
        (b"", "not_json", "$: found '', expected one JSON object in UTF-8 (Input data was truncated)"),
        (b"[]", "wrong_type", "$: found array, expected object"),
        (b'{"type":"track","userId":"c"}', "no_event", "$.event: found none, expected the name of what happened"),
        (event_json(userId=None), "no_customer", "$.userId: found neither, expected userId or anonymousId, not empty"),
        (event_json(userId=7), "wrong_type", "$.userId: found int, expected str | null"),
        (
            event_json(event="Transaction Started", properties={"x": 1}),
            "no_journey",
            "$.properties.journey: found none",
        ),
        (
            b'{"event":"Page Hidden","userId":"c","properties":{"x":1e999}}',
            "wrong_type",
            "$.properties.x: found a number",
        ),
        (event_json(type="shout"), "unknown_type", "$.type: found 'shout', expected one of alias, group, identify"),
        (event_json(messageId="m" * 101), "too_long", "$.messageId: found 101 characters, expected at most 100"),
        (event_json(userId="c" * 257), "too_long", "$.userId: found 257 characters, expected at most 256"),
        (event_json(anonymousId="c" * 257), "too_long", "$.anonymousId: found 257 characters, expected at most 256"),
        (event_json(pad="x" * EVENT_BYTES), "too_big", "expected at most 32768 bytes an event"),
        (
            event_json(event="Transaction Started"),
            "no_journey",
            "$.properties.journey: found none, expected the journey that 'Transaction Started' belongs to",
        ),
        (
            event_json(event="Transaction Started", properties={"journey": ""}),
            "no_journey",
            "$.properties.journey: found none",
        ),
        (
            event_json(event="Page Hidden", properties={"journey": 5}),
            "wrong_type",
            "$.properties.journey: found int, expected str | null",
        ),
        (event_json(pad="\udc80"), "lone_surrogate", "\\udc80 alone at byte"),
        (event_json()[:-1] + b',"pad":"\xff"}', "not_utf8", "after pad, expected UTF-8 (invalid start byte)"),
        (event_json()[:-1] + b',"pad":' + b"[" * 70 + b"]" * 70 + b"}", "too_deep", "expected at most 64 levels"),
        (b"[" * 20_000, "too_deep", "level 65 at byte 64"),
    ],
)
def test_what_is_refused_says_where_and_why(raw: bytes, kind: str, text: str) -> None:
    rejection = refused(raw)
    assert rejection.kind == kind
    assert text in str(rejection)


def test_a_policy_is_looked_at_where_it_says_what_it_is_like() -> None:
    good = event_json(event="Policy Updated", properties={"policy_id": "p-1", "premium_due_on": "2026-05-04"})
    assert taken(good).customer_id == "c-1"
    wrong = refused(event_json(event="Policy Updated", properties={"premium_due_on": "2026-05-04"}))
    assert (wrong.path, wrong.found) == ("$.properties", "no field policy_id")


def test_sizes_at_the_limit_pass() -> None:
    raw = event_json(messageId="m" * 100, userId="c" * 256, pad="")
    padded = raw[:-2] + b"x" * (EVENT_BYTES - len(raw)) + raw[-2:]
    assert len(padded) == EVENT_BYTES
    assert taken(padded).raw == padded


def at(moment: datetime) -> str:
    return moment.isoformat()


WHEN = datetime(2026, 5, 4, 11, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "expected_ms"),
    [
        ({}, NOW_MS),
        ({"timestamp": at(WHEN)}, to_ms(WHEN)),
        ({"timestamp": "2026-05-04T11:59:00"}, to_ms(WHEN)),
        ({"timestamp": "2026-05-04T19:59:00+08:00"}, to_ms(WHEN)),
        ({"timestamp": "2017-03-15T00:19:28Z"}, 1_489_537_168_000),
        ({"timestamp": at(WHEN), "sentAt": at(WHEN + timedelta(seconds=5))}, NOW_MS - 5_000),
        ({"originalTimestamp": at(WHEN), "timestamp": at(WHEN + timedelta(days=9))}, to_ms(WHEN)),
        ({"originalTimestamp": "1970-01-01T00:00:00Z", "sentAt": "1970-01-01T00:01:00Z"}, NOW_MS - 60_000),
        ({"timestamp": "2099-01-01T00:00:00Z", "sentAt": "2099-01-01T00:00:01Z"}, NOW_MS - 1_000),
        ({"timestamp": at(WHEN), "sentAt": at(WHEN - timedelta(seconds=60))}, NOW_MS + 60_000),
    ],
)
def test_the_corrected_time(fields: dict[str, Any], expected_ms: int) -> None:
    assert taken(event_json(**fields)).time_ms == expected_ms


def test_the_sending_time_of_the_batch_holds_for_events_without_one() -> None:
    door = msgspec.structs.replace(DOOR, sent_at=WHEN + timedelta(seconds=3))
    assert taken(event_json(timestamp=at(WHEN)), door).time_ms == NOW_MS - 3_000
    own = event_json(timestamp=at(WHEN), sentAt=at(WHEN + timedelta(seconds=9)))
    assert taken(own, door).time_ms == NOW_MS - 9_000


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"timestamp": "1970-01-01T00:00:00Z"}, "$.timestamp: found 1970-01-01T00:00:00+00:00, "),
        ({"timestamp": "1999-12-31T23:59:59.999Z"}, "$.timestamp: found 1999-12-31T23:59:59.999000+00:00, "),
        ({"timestamp": "2099-06-01T00:00:00Z"}, "$.timestamp: found 2099-06-01T00:00:00+00:00, "),
        ({"originalTimestamp": "0001-01-01T00:00:00Z"}, "$.originalTimestamp: found 0001-01-01T00:00:00+00:00, "),
        (
            {"timestamp": "9999-12-31T00:00:00Z", "sentAt": "0001-01-01T00:00:00Z"},
            "$.timestamp: found 9999-12-31T00:00:00+00:00, sentAt 0001-01-01T00:00:00+00:00, ",
        ),
    ],
)
def test_a_time_that_cannot_be(fields: dict[str, Any], found: str) -> None:
    rejection = refused(event_json(**fields))
    assert rejection.kind == "time_out_of_range"
    expected = "expected a corrected time from 2000-01-01T00:00:00.000Z to 2026-05-04T12:01:00.000Z"
    assert str(rejection) == found + expected


def test_the_limits_of_time_belong_to_it() -> None:
    assert taken(event_json(timestamp="2000-01-01T00:00:00Z")).time_ms == EARLIEST_MS
    assert taken(event_json(timestamp="2026-05-04T12:01:00Z")).time_ms == NOW_MS + 60_000
    assert refused(event_json(timestamp="2026-05-04T12:01:00.001Z")).kind == "time_out_of_range"


def test_one_bad_event_does_not_touch_the_others() -> None:
    raws = [event_json(messageId="a"), b"{", event_json(messageId="bad", userId=7), event_json(messageId="z")]
    verdict = validate_all(raws, DOOR, lambda: "made-here")
    assert [each.raw for each in verdict.admitted] == [raws[0], raws[3]]
    assert [(each.index, each.message_id, each.status) for each in verdict.refused] == [(1, None, 400), (2, "bad", 400)]


def test_a_refused_event_is_named_where_its_message_id_can_be_read() -> None:
    big = event_json(messageId="big", pad="x" * EVENT_BYTES)
    deep = event_json(messageId="deep")[:-1] + b',"pad":' + b"[" * 3_000 + b"]" * 3_000 + b"}"
    huge = event_json(messageId="huge", pad="x" * EVENT_BYTES * 5)
    refusals = validate_all([big, deep, huge, event_json(messageId="m" * 400)], DOOR, lambda: "").refused
    assert [each.message_id for each in refusals] == ["big", None, None, "m" * 100]
    assert [each.status for each in refusals] == [413, 400, 413, 400]


def sound(outcome: OutgoingEvent | Rejection, raw: bytes) -> None:
    """What must hold for every outcome, whatever came in."""
    if isinstance(outcome, Rejection):
        assert outcome.kind
        assert len(str(outcome)) < 1_000
        return
    assert b"\n" not in outcome.raw
    assert outcome.customer_id.encode()
    assert EARLIEST_MS <= outcome.time_ms <= NOW_MS + 60_000
    before, after = json.loads(raw), json.loads(outcome.raw)
    assert {key: after[key] for key in before if key not in ("messageId", "context")}.items() <= after.items()
    assert after["messageId"]
    event = read_event(outcome.raw)
    assert not isinstance(event, Rejection)
    assert event.customer_id == outcome.customer_id


@given(st.binary(max_size=200))
@example(b'{"userId":"\\ud800"}')
@example(b"\xef\xbb\xbf{}")
def test_any_bytes_are_taken_or_refused_in_words(raw: bytes) -> None:
    sound(validate(raw, DOOR, lambda: "made-here"), raw)


@given(json_values)
def test_any_json_is_taken_or_refused_in_words(value: object) -> None:
    raw = json.dumps(value).encode()
    sound(validate(raw, DOOR, lambda: "made-here"), raw)


@given(mutated_events, st.sampled_from([None, "track", "identify", "page"]))
def test_a_spoilt_event_is_taken_or_refused_in_words(raw: bytes, endpoint: str | None) -> None:
    door = RequestContext(NOW_MS, 60_000, endpoint, WHEN, b'{"channel":"server"}')
    sound(validate(raw, door, lambda: "made-here"), raw)


@given(st.datetimes(timezones=st.just(UTC)), st.none() | st.datetimes(timezones=st.just(UTC)), st.booleans())
def test_the_corrected_time_follows_the_formula(made: datetime, sent: datetime | None, original: bool) -> None:
    fields = {"originalTimestamp" if original else "timestamp": at(made)}
    raw = event_json(**fields, **({} if sent is None else {"sentAt": at(sent)}))
    expected = to_ms(made) if sent is None else NOW_MS - (to_ms(sent) - to_ms(made))
    outcome = validate(raw, DOOR, lambda: "made-here")
    if EARLIEST_MS <= expected <= NOW_MS + 60_000:
        assert isinstance(outcome, OutgoingEvent)
        assert outcome.time_ms == expected
    else:
        assert isinstance(outcome, Rejection)
        assert outcome.kind == "time_out_of_range"
