import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ingest.batch_split import split_batch
from gateway.ingest.batches import BATCH_EVENTS, Batch, read_batch, read_write_key
from operators.records.events import Rejection
from tests.gateway.events_made import json_values


def batch_of(body: bytes) -> Batch:
    batch = read_batch(body)
    assert isinstance(batch, Batch), batch
    return batch


def rejection_of(body: bytes) -> Rejection:
    rejection = read_batch(body)
    assert isinstance(rejection, Rejection)
    return rejection


def test_events_come_out_as_they_came_in() -> None:
    batch = batch_of(b'{"batch": [ {"a": 1.50} , 7,"x" ], "context":{"channel":"server"}, "writeKey":"k"}')
    assert batch.events == [b'{"a": 1.50}', b"7", b'"x"']
    assert (batch.context, batch.write_key, batch.sent_at) == (b'{"channel":"server"}', "k", None)


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (b"", "not_json", "$: found '', expected one JSON object in UTF-8"),
        (b"[]", "wrong_type", "$: found array, expected object"),
        (b"{}", "wrong_type", "$: found no field batch, expected a field batch"),
        (b'{"batch":{}}', "wrong_type", "$.batch: found object, expected array"),
        (b'{"batch":[]}', "empty_batch", "$.batch: found no event, expected 1 to 2500 events"),
        (b'{"batch":[tru],"sentAt":1}', "wrong_type", "$.sentAt: found int, expected datetime | null"),
        (b'{"batch":[1],"sentAt":"noon"}', "wrong_type", "$.sentAt: found no such time, expected a time in RFC3339"),
        (b'{"batch":[1],"context":7}', "wrong_type", "$.context: found '7', expected an object"),
        (b'{"batch":[1],"context":{"a":"\xff"}}', "not_utf8", "$.context: found byte 0xff"),
        (b'{"batch":[1],"context":' + b'{"a":' * 70 + b"1" + b"}" * 71, "too_deep", "$.context: found level 65"),
        (b'{"batch":[1],"context":{"a":"' + b"x" * 4096 + b'"}}', "too_big", "at most 4096 bytes for all events"),
        (b'{"batch":[' + b"1," * BATCH_EVENTS + b"1]}", "too_big", "$.batch: found 2501 events, expected at most 2500"),
        (b'{"batch":[1}]', "not_json", "expected one JSON object in UTF-8"),
        (b'{"batch":[1]', "not_json", "expected one JSON object in UTF-8"),
        (b'{"batch":["' + b'\\"' * 100_000, "not_json", "expected one JSON object in UTF-8"),
        (b'{"batch":[tru],"x":' + b"[" * 5_000 + b"]" * 5_000 + b"}", "not_json", "expected one JSON object in UTF-8"),
        (b'{"batch" 1:[]}', "not_json", "expected one JSON object in UTF-8"),
    ],
)
def test_what_refuses_a_whole_batch(body: bytes, kind: str, text: str) -> None:
    begun = time.process_time()
    rejection = rejection_of(body)
    assert rejection.kind == kind
    assert text in str(rejection)
    assert time.process_time() - begun < 1.0


BAD_EVENTS = (b"tru", b'{"a":"\\ud800 and more text"}', b"[" * 3_000 + b"]" * 3_000, b'{"a" 1}', b'{"a":"\\x"}')


@pytest.mark.parametrize("bad", BAD_EVENTS)
def test_an_event_that_is_no_json_leaves_the_others_whole(bad: bytes) -> None:
    good = b'{"a":"]}\\",[{"}'
    body = b'{"context": {"batch": [1]},"batch":[%b, %b ,%b],"writeKey":"k"}' % (good, bad, good)
    batch = batch_of(body)
    assert batch.events == [good, bad, good]
    assert batch.write_key == "k"
    assert batch.context == b'{"batch": [1]}'


@given(st.lists(json_values, max_size=5), st.dictionaries(st.text(max_size=5), json_values, max_size=3), st.booleans())
def test_split_agrees_with_a_reader(events: list[Any], more: dict[str, Any], first: bool) -> None:
    more.pop("batch", None)
    document = {"batch": events, **more} if first else {**more, "batch": events}
    split = split_batch(json.dumps(document).encode())
    assert split is not None
    assert repr([json.loads(raw) for raw in split.events]) == repr(events)
    assert repr(json.loads(split.envelope)) == repr({**document, "batch": []})


@given(st.binary(max_size=100) | st.text(st.sampled_from('{}[],"\\:batch 1'), max_size=60).map(str.encode))
def test_anything_is_taken_apart_or_refused(body: bytes) -> None:
    read_batch(body)
    split = split_batch(body)
    assert split is None or all(event in body for event in split.events)


def test_the_write_key_of_a_single_event() -> None:
    assert read_write_key(b'{"writeKey":"k","userId":7}') == "k"
    assert read_write_key(b'{"writeKey":7}') is None
    assert read_write_key(b"{") is None
    assert read_write_key(b"[" * 5_000) is None
