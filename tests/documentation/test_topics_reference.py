"""The pages about topics say what stands there."""

import json
import re
from typing import Any

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator

from config.settings.table import Settings
from operators.hints.hint import Retirement
from operators.records.dead_letters import DeadLetter
from operators.records.events import Rejection
from operators.records.facts import Fact, FactKind, RankedReason, Signal
from state.facts.cloud_events import HINT_CREATED, HINT_RETIRED
from state.facts.stream import PublicItem
from state.facts.topic_documents import CLOUD_EVENT, LARGEST_BYTES, LETTER, letter_document, public_document
from tests.parts.machine import ROOT
from tests.state.houses import NOON_MS, make_hint
from tests.state.shelves import letter

REFERENCE = ROOT / "docs" / "reference"
PAGE = (REFERENCE / "topics.md").read_text("utf-8")
ASYNCAPI: dict[str, Any] = yaml.safe_load((REFERENCE / "asyncapi-topics.yaml").read_text("utf-8"))
FACT = Fact("started", NOON_MS, "a-1", "mei", "policy_loan", "loan-1", "face_check", "m-42")
SIGNAL = Signal("rage_click", "face_check", None, None, 3)
PUBLIC_KINDS: tuple[FactKind, ...] = (
    "started",
    "struggled",
    "abandoned",
    "returned",
    "completed",
    "cancelled",
    "expired",
)


def is_as_described(message: str, value: bytes) -> None:
    schema = {**ASYNCAPI["components"]["messages"][message]["payload"], "components": ASYNCAPI["components"]}
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(json.loads(value))


def value_of(told: PublicItem) -> bytes:
    document = public_document(told)
    assert document is not None
    return document.value


def test_every_reference_leads_somewhere() -> None:
    for reference in re.findall(r"\$ref: '#/([^']+)'", (REFERENCE / "asyncapi-topics.yaml").read_text("utf-8")):
        place: Any = ASYNCAPI
        for part in reference.split("/"):
            place = place[part]


def test_topics_have_the_names_of_the_settings() -> None:
    defaults = Settings()
    topics = {
        "facts": defaults.kafka_facts_topic,
        "hints": defaults.kafka_hints_topic,
        "deadLetters": defaults.kafka_dead_letters_topic,
    }
    assert {name: channel["address"] for name, channel in ASYNCAPI["channels"].items()} == topics
    for setting in ("kafka_topic", "kafka_facts_topic", "kafka_hints_topic", "kafka_dead_letters_topic"):
        assert f"| `{setting}` | `{getattr(defaults, setting)}` |" in PAGE


@pytest.mark.parametrize("kind", PUBLIC_KINDS)
def test_facts_are_as_described(kind: FactKind) -> None:
    fact = msgspec.structs.replace(FACT, kind=kind, reasons=(RankedReason("unknown", 0.5),), signals=(SIGNAL,))
    is_as_described("fact", value_of(fact))
    is_as_described("fact", value_of(msgspec.structs.replace(fact, transaction_id=None, step=None, cause=None)))


def test_hints_and_their_ends_are_as_described() -> None:
    is_as_described("hintCreated", value_of(make_hint()))
    for cause in ASYNCAPI["components"]["schemas"]["end"]["properties"]["cause"]["enum"]:
        is_as_described("hintRetired", value_of(Retirement("h1", "mei", cause, NOON_MS)))


def test_letters_are_as_described() -> None:
    large = DeadLetter(b"\xff" * LARGEST_BYTES, (Rejection("not_json", "$", "'xxx'", "JSON"),), None)
    for each in (letter(1), msgspec.structs.replace(letter(1), raw=b"\xff"), large):
        is_as_described("deadLetter", letter_document(each, "1").value)


def test_the_page_has_the_types_headers_and_limit() -> None:
    assert set(re.findall(r"`(started\s[^`]+)`", PAGE)[0].split()) == set(PUBLIC_KINDS)
    for word in (HINT_CREATED, HINT_RETIRED, CLOUD_EVENT, LETTER, f"{LARGEST_BYTES:,}", "zhiyin_untold_total"):
        assert word in PAGE


def test_the_example_is_what_is_told() -> None:
    [example] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    is_as_described("fact", example.encode())
    returned = msgspec.structs.replace(FACT, kind="returned", idle_ms=9_400)
    event, shown = json.loads(value_of(returned)), json.loads(example)
    assert list(shown) == list(event)
    assert list(shown["data"]) == list(event["data"])
