"""Facts and hints as CloudEvents: the attributes the specification asks for, and stable ids."""

from typing import Any, get_args

import pytest

from operators.hints.hint import RetireCause, Retirement, hint_document
from operators.records.facts import FACT_KINDS, Fact, FactKind, Signal, fact_document
from state.facts.cloud_events import (
    HINT_SHOWN,
    ends_as,
    fact_event,
    hint_change,
    hint_changed_event,
    hint_created_event,
    retirement_event,
)
from tests.state.houses import NOON_MS, make_hint

NOON = "2027-01-15T08:00:00.000Z"


def fact(kind: FactKind = "abandoned", transaction_id: str | None = "t-1", cause: str | None = "m-1") -> Fact:
    signals = (Signal("step_failed", "apply", "E1", None, 1),)
    return Fact(kind, NOON_MS, "a-1", "anna", "policy_loan", transaction_id, "apply", cause, signals=signals)


def test_a_fact() -> None:
    assert fact_event(fact()) == {
        "specversion": "1.0",
        "id": fact().id,
        "source": "/zhiyin/engine",
        "type": "zhiyin.transaction.abandoned",
        "time": NOON,
        "subject": "anna",
        "datacontenttype": "application/json",
        "partitionkey": "anna",
        "correlationid": "t-1",
        "causationid": "m-1",
        "data": fact_document(fact()),
    }


def test_a_new_hint() -> None:
    hint = make_hint()
    event = hint_created_event(hint)
    assert event.pop("data") == hint_document(hint)
    assert event == {
        "specversion": "1.0",
        "id": "h1:created",
        "source": "/zhiyin/engine",
        "type": "zhiyin.hint.created",
        "time": NOON,
        "subject": "anna",
        "datacontenttype": "application/json",
        "partitionkey": "anna",
        "correlationid": "t-1",
        "causationid": "m-1",
        "expirytime": "2027-01-15T09:00:00.000Z",
    }


def test_the_end_of_a_hint() -> None:
    event = retirement_event(Retirement("h1", "anna", "returned", NOON_MS), "t-1")
    assert (event["id"], event["type"], event["time"]) == ("h1:retired", "zhiyin.hint.retired", NOON)
    assert (event["subject"], event["correlationid"]) == ("anna", "t-1")
    assert event["data"] == {
        "hint_id": "h1",
        "customer_id": "anna",
        "state": "retired",
        "cause": "returned",
        "at": NOON,
    }


def test_what_became_of_a_hint() -> None:
    change = hint_change("h1", "anna", "shown", "shown", NOON_MS)
    event = hint_changed_event(HINT_SHOWN, change)
    assert (event["id"], event["type"], event["data"]) == ("h1:shown", "zhiyin.hint.shown", change)


@pytest.mark.parametrize("cause", get_args(RetireCause))
def test_what_a_cause_ends_as(cause: RetireCause) -> None:
    assert ends_as(cause) == (cause if cause in {"used", "dismissed", "expired"} else "retired")


@pytest.mark.parametrize("kind", FACT_KINDS)
def test_attributes_without_a_value_are_left_out(kind: FactKind) -> None:
    bare: list[dict[str, Any]] = [
        fact_event(fact(kind, transaction_id=None, cause=None)),
        hint_created_event(make_hint(transaction_id=None, cause=None)),
        retirement_event(Retirement("h1", "anna", "returned", NOON_MS)),
    ]
    for event in bare:
        assert not {"correlationid", "causationid"} & event.keys()
        assert None not in event.values()
