"""Events of the quick catalogue as of now, and the oracle's rules for it."""

import random
import time
from typing import Any

from tests.oracle import Expected, OracleJourney, expected_facts
from tests.parts.machine import ROOT

QUICK = ROOT / "tests" / "recorded" / "quick.yaml"
STEPS = {"apply": 2_000, "face_check": 2_000, "confirm": 2_000}
QUICK_RULES = {"policy_loan": OracleJourney(2_000, 86_400_000, STEPS, frozenset(("confirm",)))}
KINDS = ("started", "abandoned", "returned", "completed", "cancelled")


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def event(customer: str, name: str, step: str | None, at_ms: int, number: int = 0) -> dict[str, Any]:
    return {
        "customer": customer,
        "id": f"{customer}-{at_ms}-{number}",
        "name": name,
        "at_ms": at_ms,
        "journey": "policy_loan",
        "transaction_id": "t1",
        "step": step,
    }


def some_events(seeded: random.Random, round_number: int) -> list[dict[str, Any]]:
    names = ("Transaction Step Viewed", "Transaction Step Failed", "Transaction Completed", "Transaction Cancelled")
    at_ms = now_ms()
    return [
        event(
            f"c{seeded.randrange(40)}",
            seeded.choices(names, (6, 3, 1, 1))[0],
            seeded.choice(("apply", "face_check")),
            at_ms + number,
            round_number,
        )
        for number in range(120)
    ]


def oracles_facts(events: list[dict[str, Any]]) -> list[Expected]:
    """What an engine must tell about these events, once everybody has fallen silent."""
    return [fact for fact in expected_facts(events, QUICK_RULES) if fact.kind in KINDS]
