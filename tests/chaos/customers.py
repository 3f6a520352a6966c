"""What the customers of a run do: seeded, endless, in order of sending.

In: a seed and how many customers. Out: acts with the second at which each is sent, how long before that it
happened, and whether it is sent a second time: gaps around every silence of ``catalogue.yaml``, returns, ends,
expiries, duplicates, disorder.

Made so that each abandonment is a hint: a loan is a new transaction only when the last one has ended, a claim that
was given up is taken up again under its own name. Two open hints of one customer for one journey there are not.
"""

import heapq
from collections.abc import Generator, Iterator
from itertools import count
from random import Random
from typing import NamedTuple

VIEWS = ("Transaction Step Viewed", "Transaction Step Viewed", "Transaction Step Completed", "Transaction Step Failed")
PAUSES_S = ((0.05, 1.0), (1.4, 3.2), (3.5, 8.0), (9.0, 16.0))
PAUSE_WEIGHTS = (60, 18, 17, 5)
MOST_AGO_MS = 800


class Act(NamedTuple):
    """One event before it is sent. ``due_s``: from the beginning; ``ago_ms``: how long before it happened."""

    due_s: float
    customer: str
    journey: str
    transaction_id: str
    name: str
    step: str | None
    ago_ms: int = 0
    again_after_s: float | None = None


def acts(seed: str, customers: int) -> Iterator[Act]:
    """What all of them do, for ever."""
    lanes = [lane for number in range(customers) for lane in _lanes(f"c{number}", Random(f"{seed}/{number}"))]
    return heapq.merge(*lanes, key=_due_s)


def _due_s(act: Act) -> float:
    return act.due_s


def _lanes(customer: str, chance: Random) -> tuple[Iterator[Act], Iterator[Act]]:
    return _loans(customer, Random(chance.random())), _claims(customer, Random(chance.random()))


def _loans(customer: str, chance: Random) -> Iterator[Act]:
    """One loan after the other, each to its end."""
    due_s = chance.uniform(0.0, 4.0)
    for number in count():
        begun = Act(due_s, customer, "loan", f"loan-{number}", "Transaction Started", None)
        due_s = yield from _visit(begun, ("apply", "face_check"), chance)
        name, step = chance.choice(
            (("Transaction Completed", None), ("Transaction Step Viewed", "confirm"), ("Transaction Cancelled", None))
        )
        yield begun._replace(due_s=due_s, name=name, step=step)
        due_s += chance.uniform(0.5, 4.0)


def _claims(customer: str, chance: Random) -> Iterator[Act]:
    """The same claim again and again: ended, or given up until it expires."""
    due_s = chance.uniform(0.0, 4.0)
    while True:
        begun = Act(due_s, customer, "claim", "claim", "Transaction Started", "report")
        due_s = yield from _visit(begun, ("report", "upload", None), chance)
        if chance.random() < 0.5:
            name = chance.choice(("Transaction Completed", "Transaction Cancelled"))
            yield begun._replace(due_s=due_s, name=name, step=None)
        due_s += chance.uniform(1.0, 9.0)


def _visit(begun: Act, steps: tuple[str | None, ...], chance: Random) -> Generator[Act, None, float]:
    """The beginning and some steps; returns when the next act is due."""
    yield begun
    due_s = begun.due_s + chance.uniform(0.05, 1.0)
    for _ in range(chance.randrange(1, 6)):
        yield begun._replace(
            due_s=due_s,
            name=chance.choice(VIEWS),
            step=chance.choice(steps),
            ago_ms=chance.choice((0, 0, 0, chance.randrange(MOST_AGO_MS))),
            again_after_s=chance.choice((None, None, None, None, chance.uniform(0.05, 2.0))),
        )
        [(least_s, most_s)] = chance.choices(PAUSES_S, PAUSE_WEIGHTS)
        due_s += chance.uniform(least_s, most_s)
    return due_s
