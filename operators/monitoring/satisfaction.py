"""What customers say of it: survey answers, thumbs and solved or not, counted beside how often they are interrupted.

In: interactions; a tally of the journey map. Out: transitions of the map, and the figures of a tally with
their 95 % intervals. Refused, as no transition: an answer without a journey, a score that is none of 1 to 5.
"""

from collections.abc import Collection, Iterable
from typing import Any, Final

from operators.monitoring.journey_map import StepTally
from operators.records.events import ANSWER_RATED, HINT_USED, SURVEY_SENT, Properties
from operators.records.facts import Interaction
from operators.support.intervals import Proportion, wilson_interval
from operators.tracking.segments import Segments
from operators.tracking.transitions import UNKNOWN_DWELL, Transition

SCORED: Final = "scored"
HELPED: Final = "helped"
SOLVED: Final = "solved"
SCORES: Final = range(1, 6)
SATISFIED_FROM: Final = 4
"""A score of 4 or 5 counts as satisfied, as in any customer satisfaction score (CSAT)."""
_ANSWERS: Final = frozenset((SURVEY_SENT, HINT_USED, ANSWER_RATED))
_NO_PROPERTIES: Final = Properties()


def answer_transitions(
    interactions: Iterable[Interaction], segments: Segments, journeys: Collection[str]
) -> list[Transition]:
    """The answers among interactions. A survey's own ``channel`` goes before its context's."""
    transitions = []
    for interaction in interactions:
        if interaction.event.event not in _ANSWERS:
            continue
        properties = interaction.event.properties or _NO_PROPERTIES
        answer = _answer(interaction, properties)
        journey = properties.journey
        if answer is not None and journey is not None and journey in journeys:
            context = interaction.event.context
            channel = properties.channel or (context.channel if context is not None else None)
            segment = segments.named(channel, context.group_id if context is not None else None)
            transitions.append((journey, (*answer, ""), interaction.at_ms, segment, UNKNOWN_DWELL))
    return transitions


def _answer(interaction: Interaction, properties: Properties) -> tuple[str, str] | None:
    """What was answered and how; None: nothing."""
    name = interaction.event.event
    if name == SURVEY_SENT and properties.score in SCORES:
        return SCORED, f"{properties.score:.0f}"
    if name == HINT_USED and properties.helpful is not None:
        return HELPED, _yes(properties.helpful)
    if name == ANSWER_RATED and properties.solved is not None:
        return SOLVED, _yes(properties.solved)
    return None


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"


def satisfaction(tally: StepTally) -> dict[str, Any]:
    """The figures of a tally; shares are None where nobody has answered.

    ``interrupted``: interruptions by transactions begun, the rate of the insurer's own report.
    """
    scores = {score: tally.total(SCORED, str(score)) for score in SCORES}
    answers = sum(scores.values())
    satisfied = sum(number for score, number in scores.items() if score >= SATISFIED_FROM)
    return {
        "surveys": answers,
        "scores": {str(score): number for score, number in scores.items()},
        "mean_score": round(sum(score * number for score, number in scores.items()) / answers, 2) if answers else None,
        "satisfied": share_document(satisfied, answers),
        "helped": _yes_share(tally, HELPED),
        "solved": _yes_share(tally, SOLVED),
        "interrupted": _rate(tally.total("abandoned"), tally.total("started")),
    }


def share_document(cases: int, trials: int) -> dict[str, Any]:
    """A share with its 95 % interval (Wilson 1927); None where there is no trial."""
    if not trials:
        return {"share": None, "low": None, "high": None, "of": 0}
    interval = wilson_interval(Proportion(cases, trials))
    return {
        "share": round(cases / trials, 4),
        "low": round(interval.low, 4),
        "high": round(interval.high, 4),
        "of": trials,
    }


def _yes_share(tally: StepTally, kind: str) -> dict[str, Any]:
    yes = tally.total(kind, "yes")
    return share_document(yes, yes + tally.total(kind, "no"))


def _rate(cases: int, trials: int) -> float | None:
    """Not a share: one transaction may be interrupted more than once."""
    return round(cases / trials, 4) if trials else None
