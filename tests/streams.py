"""Streams of customer events for tests: as Hypothesis strategies, as wire bytes, and what came out."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from hypothesis import strategies as st

from operators.records.catalogue import Article, Catalogue, ControlGroup, Journey, Reason, Step, Words
from operators.records.facts import Fact
from operators.support.timestamps import duration_ms, iso_text
from tests.oracle import Expected, OracleJourney

LATENESS_MS = 2_000
BEGIN_MS = 1_700_000_000_000
WORDS = Words(zh="测试", en="test")
UNKNOWN = Reason(title=WORDS, article=Article(id="a", title=WORDS, body=WORDS), say=WORDS)

STREAM_CATALOGUE = Catalogue(
    journeys={
        "loan": Journey(
            title=WORDS,
            steps=(
                Step(id="apply", title=WORDS),
                Step(id="face", title=WORDS, idle_after="5s"),
                Step(id="confirm", title=WORDS, final=True),
            ),
            idle_after="20s",
            forget_after="60s",
        ),
        "claim": Journey(
            title=WORDS,
            steps=(Step(id="report", title=WORDS), Step(id="upload", title=WORDS, idle_after="40s")),
            idle_after="10s",
            forget_after="30s",
        ),
    },
    reasons={"unknown": UNKNOWN},
    lateness="2s",
    idle_checkpoints=("3s", "8s", "15s"),
    control_group=ControlGroup(share=0.0),
)

NAMES = (
    "Transaction Step Viewed",
    "Transaction Step Viewed",
    "Transaction Step Viewed",
    "Transaction Step Completed",
    "Transaction Step Failed",
    "Transaction Started",
    "Field Error",
    "Page Hidden",
    "Dead Click",
    "Field Hesitated",
    "Page Loop",
    "Transaction Completed",
    "Transaction Cancelled",
    "Order Viewed",
)
GAPS_MS = (0, 1, 500, 1_999, 2_000, 2_999, 3_000, 5_000, 5_001, 10_000, 20_000, 20_001, 41_000, 75_000, 90_000)


def oracle_journeys(catalogue: Catalogue, *, checkpoints: bool = True) -> dict[str, OracleJourney]:
    """The oracle's rules for a catalogue, read off its words."""
    ladder = [duration_ms(each) for each in catalogue.idle_checkpoints] if checkpoints else []
    return {
        name: OracleJourney(
            idle_after_ms=duration_ms(journey.idle_after),
            forget_after_ms=duration_ms(journey.forget_after),
            steps={step.id: duration_ms(step.idle_after or journey.idle_after) for step in journey.steps},
            final=frozenset(step.id for step in journey.steps if step.final),
            checkpoints_ms=ladder,
        )
        for name, journey in catalogue.journeys.items()
    }


@st.composite
def _one_event(draw: st.DrawFn, at_ms: int, number: int) -> dict[str, Any]:
    name = draw(st.sampled_from(NAMES))
    journey = draw(st.sampled_from(sorted(STREAM_CATALOGUE.journeys)))
    steps = [step.id for step in STREAM_CATALOGUE.journeys[journey].steps]
    return {
        "customer": draw(st.sampled_from(("anna", "bo", "chen"))),
        "id": f"m{number}",
        "name": name,
        "at_ms": at_ms,
        "journey": None if name == "Order Viewed" else journey,
        "transaction_id": draw(st.sampled_from(("t1", "t2", None))),
        "step": draw(st.sampled_from([*steps, None])),
    }


@st.composite
def streams(draw: st.DrawFn, max_events: int = 40) -> list[dict[str, Any]]:
    """Events in order of arrival: gaps, returns, duplicates, disorder within the lateness."""
    events: list[dict[str, Any]] = []
    at_ms = BEGIN_MS
    for number in range(draw(st.integers(1, max_events))):
        at_ms += draw(st.sampled_from(GAPS_MS))
        event = draw(_one_event(at_ms, number))
        delay_ms = draw(st.sampled_from((0, 0, 0, 700, LATENESS_MS)))
        events.append({**event, "arrival": at_ms + delay_ms})
        if draw(st.integers(0, 5)) == 0:
            events.append({**event, "arrival": at_ms + delay_ms + draw(st.sampled_from((0, 100, 5_000)))})
    return sorted(events, key=lambda event: int(event["arrival"]))


def wire(event: Mapping[str, Any]) -> bytes:
    """The event as it comes over the wire."""
    properties = {key: event[key] for key in ("journey", "transaction_id", "step") if event[key] is not None}
    return orjson.dumps(
        {
            "type": "track",
            "event": event["name"],
            "messageId": event["id"],
            "userId": event["customer"],
            "timestamp": iso_text(event["at_ms"]),
            "properties": properties,
        }
    )


def lines(events: Sequence[Mapping[str, Any]]) -> list[bytes]:
    """The events as lines of a recording."""
    return [wire(event) for event in events]


def told(facts: Iterable[Fact]) -> list[Expected]:
    """Facts as the oracle speaks of them, sorted; ``struggled`` is not the oracle's affair."""
    return sorted((_expected(fact) for fact in facts if fact.kind != "struggled"), key=str)


def _expected(fact: Fact) -> Expected:
    own = {"idle": str(fact.idle_ms), "completed": f"recovered={fact.recovered}"}.get(fact.kind, "")
    return Expected(fact.kind, fact.customer_id, fact.journey, fact.transaction_id, fact.step, fact.at_ms, own)


def written(output: bytes) -> list[Expected]:
    """The lines a replay wrote, as the oracle speaks of them, sorted."""
    return sorted((_from_line(orjson.loads(line)) for line in output.splitlines()), key=str)


def _from_line(line: Mapping[str, Any]) -> Expected:
    own = ""
    if line["kind"] == "completed":
        own = f"recovered={line['recovered']}"
    elif line["kind"] == "idle":
        own = str(round(line["idle_seconds"] * 1000))
    key = line["customer_id"], line["journey"], line["transaction_id"]
    return Expected(line["kind"], *key, line["step"], at_ms_of(line["at"]), own)


def at_ms_of(text: str) -> int:
    """Epoch ms of an ISO 8601 instant."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)
