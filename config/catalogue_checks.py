"""Does a well-shaped catalogue hang together? What a schema can't say.

In: the ``Catalogue`` and the document it came from. Out: ``Problem``s, none when all is well.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Final
from zoneinfo import available_timezones

from config.problems import Problem, shown, suggestion
from config.shape import Difference
from config.yaml_source import Document, DocumentPath
from operators.catalogue import UNKNOWN, Article, Catalogue, Speaks, Words
from operators.instants import duration_ms

PLACEHOLDERS: Final = ("{journey}", "{step}")
LONGEST: Final = "3650d"
_CODED: Final = frozenset(("step_failed", "field_error", "rage_click"))


def catalogue_problems(catalogue: Catalogue, document: Document) -> list[Problem]:
    """Everything in ``catalogue`` that does not fit together, in the order of the lines."""
    problems = [document.problem(*each) for check in _CHECKS for each in check(catalogue)]
    return sorted(problems, key=lambda each: (each.file, each.line or 0))


def _durations(catalogue: Catalogue) -> Iterator[Difference]:
    for path, text in _all_durations(catalogue):
        try:
            found_ms = duration_ms(text)
        except ValueError:
            yield path, shown(text), "a duration such as 500ms, 30s, 5m, 24h or 7d"
            continue
        if found_ms == 0 and path != ("lateness",):
            yield path, shown(text), "a duration above 0"
        elif found_ms > duration_ms(LONGEST):
            yield path, shown(text), f"at most {LONGEST}"


def _all_durations(catalogue: Catalogue) -> Iterator[tuple[DocumentPath, str]]:
    yield ("lateness",), catalogue.lateness
    yield ("struggle", "hesitation_after"), catalogue.struggle.hesitation_after
    yield ("struggle", "rage_within"), catalogue.struggle.rage_within
    yield ("hints", "lifetime"), catalogue.hints.lifetime
    yield ("caps", "window"), catalogue.caps.window
    for index, checkpoint in enumerate(catalogue.idle_checkpoints):
        yield ("idle_checkpoints", index), checkpoint
    for name, journey in catalogue.journeys.items():
        yield ("journeys", name, "idle_after"), journey.idle_after
        yield ("journeys", name, "forget_after"), journey.forget_after
        for index, step in enumerate(journey.steps):
            for field, own in (("idle_after", step.idle_after), ("hesitation_after", step.hesitation_after)):
                if own is not None:
                    yield ("journeys", name, "steps", index, field), own


def _checkpoints_rise(catalogue: Catalogue) -> Iterator[Difference]:
    try:
        lengths_ms = [duration_ms(each) for each in catalogue.idle_checkpoints]
    except ValueError:
        return  # told by _durations
    for index, (before_ms, after_ms) in enumerate(pairwise(lengths_ms), start=1):
        if after_ms <= before_ms:
            before, after = catalogue.idle_checkpoints[index - 1 : index + 1]
            yield ("idle_checkpoints", index), f"{after} after {before}", "each checkpoint later than the one before"


def _steps_once(catalogue: Catalogue) -> Iterator[Difference]:
    for name, journey in catalogue.journeys.items():
        for index in _repeated([step.id for step in journey.steps]):
            path = ("journeys", name, "steps", index, "id")
            yield path, f"{shown(journey.steps[index].id)} a second time", "each step once in a journey"


def _repeated(names: list[str]) -> list[int]:
    """Where a name stands that has stood before."""
    return [index for index, name in enumerate(names) if name in names[:index]]


def _unknown_reason(catalogue: Catalogue) -> Iterator[Difference]:
    unknown = catalogue.reasons.get(UNKNOWN)
    if unknown is None:
        yield ("reasons", UNKNOWN), "nothing", "what to say when the cause is not known"
    elif unknown.evidence:
        yield ("reasons", UNKNOWN, "evidence"), "evidence", "none: 'unknown' is what remains"


def _evidence(catalogue: Catalogue) -> Iterator[Difference]:
    steps = {step.id for journey in catalogue.journeys.values() for step in journey.steps}
    for code, reason in catalogue.reasons.items():
        if not reason.evidence and code != UNKNOWN:
            yield ("reasons", code, "evidence"), "nothing", "at least one: without evidence it is never the reason"
        for index, speaks in enumerate(reason.evidence):
            for path, found, expected in _one_evidence(speaks, steps):
                yield ("reasons", code, "evidence", index, *path), found, expected


def _one_evidence(speaks: Speaks, steps: set[str]) -> Iterator[Difference]:
    for index, step in enumerate(speaks.steps):
        if step not in steps:
            yield ("steps", index), f"the step {shown(step)}, which no journey has", suggestion(step, steps)
    for index, code in enumerate(speaks.codes):
        if "*" in code[:-1]:
            yield ("codes", index), shown(code), "a * only at the end"
    if speaks.codes and speaks.signal not in _CODED:
        yield ("codes",), f"codes for {speaks.signal}", "codes only for step_failed, field_error and rage_click (its target)"
    if speaks.fields and speaks.signal != "field_error":
        yield ("fields",), f"fields for {speaks.signal}", "fields only for field_error"
    if speaks.signal == "at_step" and not speaks.steps:
        yield ("steps",), "nothing", "the steps that at_step is about"


def _wording(catalogue: Catalogue) -> Iterator[Difference]:
    for code, reason in catalogue.reasons.items():
        for language, text in _languages(reason.say):
            rest = text
            for each in PLACEHOLDERS:
                rest = rest.replace(each, "")
            if "{" in rest or "}" in rest:
                expected = f"no braces but {' and '.join(PLACEHOLDERS)}"
                yield ("reasons", code, "say", language), shown(text), expected


def _languages(words: Words) -> Iterable[tuple[str, str]]:
    return (("zh", words.zh), ("en", words.en))


def _articles(catalogue: Catalogue) -> Iterator[Difference]:
    seen: dict[str, tuple[str, Article]] = {}
    for code, reason in catalogue.reasons.items():
        first, article = seen.setdefault(reason.article.id, (code, reason.article))
        if article != reason.article:
            found = f"{shown(article.id)} with another text than in reasons.{first}"
            yield ("reasons", code, "article", "id"), found, "an id of its own for each text"


def _quiet_hours(catalogue: Catalogue) -> Iterator[Difference]:
    quiet = catalogue.quiet_hours
    if quiet is None:
        return
    zones = available_timezones()
    if quiet.zone not in zones:
        expected = suggestion(quiet.zone, zones, "an IANA zone such as Asia/Shanghai")
        yield ("quiet_hours", "zone"), shown(quiet.zone), expected
    if quiet.start == quiet.end:
        yield ("quiet_hours", "to"), f"{quiet.end}, the same as 'from'", "another time of day"


_CHECKS: Final[tuple[Callable[[Catalogue], Iterator[Difference]], ...]] = (
    _durations,
    _checkpoints_rise,
    _steps_once,
    _unknown_reason,
    _evidence,
    _wording,
    _articles,
    _quiet_hours,
)
