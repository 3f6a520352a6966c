"""The whole dataflow against the oracle: workers, batch sizes, real recordings, bad input."""

import io
import lzma
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config import load_catalogue
from flows.replay.replay import KINDS, Replay, ReplayPace
from flows.sources.recording import RecordingUnreadable
from operators.records.facts import FACT_KINDS
from operators.support.timestamps import iso_text
from tests.oracle import expected_facts
from tests.streams import BEGIN_MS, STREAM_CATALOGUE, at_ms_of, lines, oracle_journeys, streams, wire, written

RECORDED = Path("../shared/data/vanguard_dev.ndjson.xz")
STRAIGHT = frozenset(FACT_KINDS) - {"struggled"}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(events=streams(), workers=st.sampled_from((1, 2)), poll_events=st.integers(1, 9), shards=st.integers(1, 5))
def test_any_stream_any_workers_any_batch_gives_the_oracles_facts(
    events: list[dict[str, Any]], workers: int, poll_events: int, shards: int
) -> None:
    out = io.BytesIO()
    pace = ReplayPace(shards=shards, poll_events=poll_events, workers=workers)
    Replay(STREAM_CATALOGUE, out, STRAIGHT, pace=pace).run_lines(iter(lines(events)))
    assert written(out.getvalue()) == expected_facts(events, oracle_journeys(STREAM_CATALOGUE))


def test_facts_have_ids_of_their_own_and_the_same_in_every_run() -> None:
    events = [
        {"customer": "anna", "id": f"m{n}", "name": "Transaction Step Viewed", "at_ms": BEGIN_MS + n * 30_000}
        | {"journey": "loan", "transaction_id": "t1", "step": "apply"}
        for n in range(4)
    ]
    runs = []
    for pace in (ReplayPace(), ReplayPace(shards=3, poll_events=1)):
        out = io.BytesIO()
        Replay(STREAM_CATALOGUE, out, KINDS, pace=pace).run_lines(iter(lines(events)))
        runs.append(sorted(orjson.loads(line)["id"] for line in out.getvalue().splitlines() if b'"hint"' not in line))
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == len(runs[0])


def test_what_the_browser_noticed_is_told_and_is_the_reason_with_its_evidence() -> None:
    noticed: list[tuple[str, dict[str, object]]] = [
        ("Dead Click", {"target": "submit"}),
        ("Dead Click", {"target": "submit"}),
        ("Page Loop", {"target": "/loan/:id"}),
        ("Field Hesitated", {"field": "card", "hesitation_ms": 12_000, "changes": 3, "left_blank": False}),
    ]
    place: dict[str, object] = {"journey": "policy_loan", "transaction_id": "t-1", "step": "bank_card"}
    events = [
        {
            "type": "track",
            "event": name,
            "messageId": str(n),
            "userId": "anna",
            "timestamp": iso_text(BEGIN_MS + n),
            "properties": place | more,
        }
        for n, (name, more) in enumerate(noticed)
    ]
    out = io.BytesIO()
    facts = frozenset(("struggled", "abandoned"))
    Replay(load_catalogue(Path("config/catalog")), out, facts).run_lines(iter(map(orjson.dumps, events)))
    told = [orjson.loads(line) for line in out.getvalue().splitlines()]
    struggled = [each["signal"] for each in told if each["kind"] == "struggled"]
    assert [(each["kind"], each["code"], each["count"]) for each in struggled] == [
        ("dead_click", "submit", 2),
        ("page_loop", "/loan/:id", 1),
    ]
    [abandoned] = [each for each in told if each["kind"] == "abandoned"]
    assert abandoned["reason"]["code"] == "system_error"
    assert [(each["signal"], each["code"], each["count"]) for each in abandoned["reason"]["evidence"]] == [
        ("dead_click", "submit", 2),
        ("page_loop", "/loan/:id", 1),
    ]
    assert [each["code"] for each in abandoned["other_reasons"]] == ["form_trouble"]


STRANGE = {"customer": "a", "id": "s", "name": "Field Error", "at_ms": BEGIN_MS, "journey": "loan"}
STRANGE |= {"transaction_id": None, "step": None}
BAD = {
    "not_json": [b"{", b"\xff\xfe", b'{"userId":"a","zz":' + b"[" * 50_000],
    "wrong_type": [b"[]", b"[1]x", b'{"userId":7}', b'{"userId":"a","event":"Field Error","properties":[]}'],
    "no_customer": [b"{}", b'{"userId":"","event":"Transaction Started"}'],
    "no_time": [b'{"userId":"a","event":"Transaction Started","properties":{"journey":"loan"}}'],
    "time_out_of_range": [
        b'{"userId":"a","event":"Transaction Started","timestamp":"1970-01-01T00:00:01Z"}',
        b'{"userId":"a","event":"Transaction Started","timestamp":"2099-01-01T00:00:00Z"}',
        b'{"userId":"a","event":"Transaction Started","timestamp":"0001-01-01T00:00:00+14:00"}',
    ],
    "unknown_journey": [wire({**STRANGE, "journey": "mortgage"})],
    "unknown_step": [wire({**STRANGE, "step": "dance"})],
}


def test_bad_lines_become_dead_letters_and_nothing_else_is_lost() -> None:
    event = {"customer": "anna", "name": "Transaction Step Viewed", "journey": "loan", "transaction_id": None}
    good = [wire({**event, "id": str(n), "at_ms": BEGIN_MS + n, "step": "apply"}) for n in range(20)]
    mixed = [line for n, bad in enumerate(chain(*BAD.values())) for line in (good[n], bad)] + good
    out, letters = io.BytesIO(), io.BytesIO()
    report = Replay(STREAM_CATALOGUE, out, dead_letters=letters, version="t").run_lines(iter(mixed))
    assert report.dead_letters == Counter({kind: len(bad) for kind, bad in BAD.items()})
    assert report.facts == Counter(started=1, abandoned=1, expired=1)
    for line in letters.getvalue().splitlines():
        letter = orjson.loads(line)
        assert letter["failure"]["kind"] in BAD
        assert set(letter["failure"]["messages"][0]) == {"path", "found", "expected"}
        assert letter["payload"]["raw"]
        assert letter["processor"] == {"artifact": "zhiyin", "version": "t"}


def test_a_missing_or_damaged_recording_is_named(tmp_path: Path) -> None:
    replay = Replay(STREAM_CATALOGUE, io.BytesIO())
    with pytest.raises(RecordingUnreadable, match=r"none\.ndjson: found No such file"):
        replay.run([tmp_path / "none.ndjson"])
    damaged = tmp_path / "cut.ndjson.xz"
    damaged.write_bytes(lzma.compress(b"{}\n" * 5_000)[:60])
    with pytest.raises(RecordingUnreadable, match="a damaged archive"):
        replay.run([damaged])


class FullDisk(io.BytesIO):
    def write(self, data: object) -> int:
        raise OSError(28, "No space left on device")


def test_a_full_disk_ends_the_replay_with_its_own_error() -> None:
    event = {"customer": "anna", "id": "1", "name": "Transaction Started", "journey": "loan", "at_ms": BEGIN_MS}
    replay = Replay(STREAM_CATALOGUE, FullDisk(), pace=ReplayPace(poll_events=1))
    with pytest.raises(OSError, match="No space left on device"):
        replay.run_lines(iter([wire({**event, "transaction_id": None, "step": None})] * 3))


@pytest.mark.requires("recorded_data")
def test_the_recorded_clients_give_exactly_the_oracles_facts() -> None:
    catalogue = load_catalogue("tests/recorded/online_process.yaml")
    out = io.BytesIO()
    report = Replay(catalogue, out).run([RECORDED])
    events = []
    with lzma.open(RECORDED) as recorded:
        for line in recorded:
            read = orjson.loads(line)
            events.append(
                {"customer": read["userId"], "id": read["messageId"], "name": read["event"], **read["properties"]}
                | {"at_ms": at_ms_of(read["timestamp"])}
            )
    assert report.events == len(events) == 54_792
    assert written(out.getvalue()) == expected_facts(events, oracle_journeys(catalogue, checkpoints=False))
