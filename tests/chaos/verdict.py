"""What a run should have told, and what it did tell: missing, too much, twice.

In: what lay on the bus, and what facts, desk and chatbot were told. Out: a ``ChaosVerdict`` with a line for each thing
that differs. The oracle knows facts; a hint is due for each abandonment, and is open until the attempt goes on or ends.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from config import load_catalogue
from tests.chaos.house import CATALOGUE
from tests.chaos.tap import Seen
from tests.oracle import Expected, expected_facts
from tests.streams import at_ms_of, oracle_journeys

RULES: Final = oracle_journeys(load_catalogue(CATALOGUE), checkpoints=False)
HOUR_MS: Final = 3_600_000
_SHOWN: Final = 12


class Word(NamedTuple):
    """One thing told, to whom, as far as the oracle determines it."""

    by: str
    about: tuple[Any, ...]


class ChaosVerdict(NamedTuple):
    """``expected``: how many words were due; the others: the words that differ. ``faults``: what else is wrong."""

    expected: int
    missing: list[Word]
    extra: list[Word]
    twice: list[Word]
    faults: list[str]

    @property
    def is_good(self) -> bool:
        """Whether all was told, once."""
        return not (self.missing or self.extra or self.twice or self.faults)

    def lines(self) -> Iterable[str]:
        """What differs, a line each, not too many."""
        for name in ("missing", "extra", "twice"):
            words = getattr(self, name)
            yield from (f"{name}: {word.by} {word.about}" for word in words[:_SHOWN])
            if len(words) > _SHOWN:
                yield f"{name}: and {len(words) - _SHOWN} more"
        yield from self.faults


def due_facts(seen: Sequence[Seen]) -> list[Expected]:
    """The oracle's facts, up to an hour after the last event: what lasts for a day is not waited for."""
    end_ms = max((each.at_ms for each in seen), default=0) + HOUR_MS
    return [fact for fact in expected_facts([each.event for each in seen], RULES) if fact.at_ms < end_ms]


def due_words(facts: Sequence[Expected]) -> list[Word]:
    """Every word that follows from these facts: the facts, the desk's hints, and what a chatbot still finds."""
    hints = Counter(_hint_of(fact) for fact in facts if fact.kind == "abandoned")
    still_open = Counter(_open_hints(facts))
    words = [Word("fact", tuple(fact)) for fact in facts]
    for by in ("stream", "desk"):
        words += [Word(f"{by} created", about) for about in hints.elements()]
        words += [Word(f"{by} retired", about) for about in (hints - still_open).elements()]
    words += [Word("chatbot", about) for about in still_open.elements()]
    return words


def told_words(
    documents: Sequence[Mapping[str, Any]],
    desk_events: Sequence[Mapping[str, Any]],
    next_hints: Callable[[str], Sequence[Mapping[str, Any]]],
    customers: Iterable[str],
    left_out: Collection[str] = (),
) -> list[Word]:
    """Every word that was told. ``left_out``: hints whose announcement the desk is rightly not sent any more."""
    words = [Word("fact", tuple(_fact(each["data"]))) for each in documents if _is_fact(each)]
    announced = [each for each in documents if _is_announcement(each) and each["data"]["hint_id"] in left_out]
    words += [*_hint_words("stream", documents), *_hint_words("desk", [*announced, *desk_events])]
    words += [Word("chatbot", _hint(hint)) for customer in customers for hint in next_hints(customer)]
    return words


def judged(due: Sequence[Word], told: Sequence[Word], faults: Sequence[str]) -> ChaosVerdict:
    """The difference."""
    wanted, found = Counter(due), Counter(told)
    return ChaosVerdict(
        len(due),
        sorted((wanted - found).elements(), key=str),
        sorted((word for word in (found - wanted).elements() if word not in wanted), key=str),
        sorted((word for word in (found - wanted).elements() if word in wanted), key=str),
        list(faults),
    )


def bus_faults(seen: Sequence[Seen], accepted: Iterable[str], late_ms: float) -> list[str]:
    """What was accepted and did not reach the bus; what came so late that the oracle can't be asked."""
    first: dict[str, Seen] = {}
    for each in seen:
        first.setdefault(each.event["id"], each)
    lost = sorted(set(accepted) - first.keys())
    late = [each for each in first.values() if each.arrived_ms - each.at_ms >= late_ms]
    faults = [f"accepted and not on the bus: {len(lost)}, such as {lost[:5]}"] if lost else []
    if late:
        worst_ms = max(each.arrived_ms - each.at_ms for each in late)
        faults.append(f"{len(late)} events came up to {worst_ms} ms late: this machine was too slow for this run")
    return faults


def _open_hints(facts: Sequence[Expected]) -> Iterable[tuple[Any, ...]]:
    by_attempt: dict[tuple[Any, ...], list[Expected]] = defaultdict(list)
    for fact in facts:
        by_attempt[fact.customer_id, fact.journey, fact.transaction_id].append(fact)
    for told in by_attempt.values():
        last = max(told, key=_by_time)
        if last.kind == "abandoned":
            yield _hint_of(last)


def _hint_words(by: str, events: Iterable[Mapping[str, Any]]) -> Iterable[Word]:
    """Hints created and retired; the end of one names only its id."""
    hints: dict[str, tuple[Any, ...]] = {}
    for event in events:
        hint_id = event["data"].get("hint_id")
        if _is_announcement(event):
            hints[hint_id] = _hint(event["data"])
            yield Word(f"{by} created", hints[hint_id])
        elif event["type"] == "zhiyin.hint.retired":
            yield Word(f"{by} retired", hints.get(hint_id, (hint_id,)))


def _is_announcement(event: Mapping[str, Any]) -> bool:
    return bool(event["type"] == "zhiyin.hint.created")


def _by_time(fact: Expected) -> tuple[int, bool]:
    return fact.at_ms, fact.kind != "started"


def _hint_of(fact: Expected) -> tuple[Any, ...]:
    return fact.customer_id, fact.journey, fact.transaction_id, fact.step, fact.at_ms


def _hint(hint: Mapping[str, Any]) -> tuple[Any, ...]:
    about = tuple(hint[name] for name in ("customer_id", "journey", "transaction_id", "step"))
    return *about, at_ms_of(hint["abandoned_at"])


def _is_fact(document: Mapping[str, Any]) -> bool:
    kind: str = document["type"]
    return kind.startswith("zhiyin.transaction.") and not kind.endswith(".struggled")


def _fact(fact: Mapping[str, Any]) -> Expected:
    own = f"recovered={fact['recovered']}" if fact["kind"] == "completed" else ""
    about = (fact["customer_id"], fact["journey"], fact["transaction_id"], fact["step"])
    return Expected(fact["kind"], *about, at_ms_of(fact["at"]), own)
