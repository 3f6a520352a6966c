"""What hints are worth, counted in the dataflow: the same however it is cut up, and as brute force counts it."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.replay.replay import HINT, Replay, ReplayObservers, ReplayPace
from flows.steps.messages import shard_of
from operators.hints.arbitration import in_control_group
from operators.hints.uplift import GRACE_MS, UpliftCounts
from operators.records.catalogue import ControlGroup
from operators.records.facts import FACT_KINDS, Fact
from operators.support.timestamps import duration_ms
from tests.streams import STREAM_CATALOGUE, lines, streams

HALF = ControlGroup(share=0.5, salt="uplift")
LABEL_TIMEOUT_MS = duration_ms(STREAM_CATALOGUE.label_timeout)
CATALOGUE = msgspec.structs.replace(STREAM_CATALOGUE, control_group=HALF)


def replayed(events: list[dict[str, Any]], pace: ReplayPace) -> tuple[dict[str, UpliftCounts], list[Fact]]:
    counts: dict[str, UpliftCounts] = {}
    facts: list[Fact] = []
    watching = ReplayObservers(facts.extend, counts.__setitem__)
    Replay(CATALOGUE, None, (*FACT_KINDS, HINT), pace=pace, watching=watching).run_lines(iter(lines(events)))
    return counts, facts


def brute_force(facts: Iterable[Fact], journey: str, shards: int) -> tuple[int, ...]:
    """Attempts are over long before the time-out, so each that broke off is one unit; the last may not be over."""
    broken_off, completed, last_ms = dict[str, Fact](), set[str](), Counter[int]()
    for fact in facts:
        if fact.journey == journey:
            shard = shard_of(fact.customer_id, shards)
            last_ms[shard] = max(last_ms[shard], fact.at_ms)
            if fact.kind == "abandoned":
                broken_off.setdefault(fact.attempt_id, fact)
            elif fact.kind == "completed" and fact.attempt_id in broken_off:
                completed.add(fact.attempt_id)
    counted = [0, 0, 0, 0]
    for attempt_id, fact in broken_off.items():
        if fact.at_ms + LABEL_TIMEOUT_MS + GRACE_MS < last_ms[shard_of(fact.customer_id, shards)]:
            place = 0 if in_control_group(fact.customer_id, HALF.salt, HALF.share) else 2
            counted[place] += 1
            counted[place + 1] += attempt_id in completed
    return tuple(counted)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(early=streams(), pace=st.builds(ReplayPace, st.integers(1, 4), st.integers(1, 9), st.sampled_from((1, 2))))
def test_any_stream_gives_the_counts_of_brute_force(early: list[dict[str, Any]], pace: ReplayPace) -> None:
    end_ms = early[-1]["at_ms"] + 4 * LABEL_TIMEOUT_MS
    each = early[0] | {"name": "Transaction Started", "transaction_id": "last", "step": None, "at_ms": end_ms}
    last = [
        each | {"id": f"last-{customer}-{journey}", "customer": customer, "journey": journey}
        for customer in ("anna", "bo", "chen")
        for journey in CATALOGUE.journeys
    ]
    counts, facts = replayed([*early, *last], pace)
    for journey, counted in counts.items():
        found = (counted.control, counted.control_completed, counted.offered, counted.offered_completed)
        assert found == brute_force(facts, journey, pace.shards)
        assert counted.hinted <= counted.offered
        assert counted.hinted_completed <= min(counted.hinted, counted.offered_completed)
    assert set(counts) == {fact.journey for fact in facts}
