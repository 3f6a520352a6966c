"""Does a catalogue hang together? What a schema can't say.

In: the document as it was read, whatever its shape: these checks look only at the parts
that are shaped well, so that they speak in the same run as the check of the shape.
Out: ``Problem``s, none when all is well.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Final, get_args
from zoneinfo import available_timezones

from config.documents.problems import Problem, shown, suggestion
from config.documents.schema_errors import DURATION_EXAMPLES, SchemaDifference
from config.documents.yaml_source import DocumentPath, YamlDocument
from config.loader.need_checks import need_differences
from operators.records.catalogue import UNKNOWN, SignalKind
from operators.support.timestamps import duration_ms

PLACEHOLDERS: Final = ("{journey}", "{step}")
LONGEST: Final = "3650d"
_DURATIONS: Final = frozenset(
    (
        *(
            "lateness",
            "idle_after",
            "forget_after",
            "hesitation_after",
            "rage_within",
            "lifetime",
            "window",
            "label_timeout",
            "contact_within",
        ),
        *("after", "lease", "cool_off", "no_answer_after"),
    )
)
_KINDS: Final = frozenset(get_args(SignalKind))
_CODED: Final = frozenset(("step_failed", "field_error", "rage_click", "dead_click", "page_loop"))
_WITH_FIELDS: Final = frozenset(("field_error", "field_hesitation"))

Parts = Iterator[tuple[DocumentPath, dict[str, Any]]]
"""Mappings, each with its path."""


def catalogue_problems(document: YamlDocument) -> list[Problem]:
    """Everything in ``document`` that does not fit together, in the order of the checks."""
    tree = _mapping(document.value)
    return [document.problem(*difference) for check in _CHECKS for difference in check(tree)]


def _durations(tree: dict[str, Any]) -> Iterator[SchemaDifference]:
    for path, value in _leaves(tree, ()):
        if path[-1] in _DURATIONS or "idle_checkpoints" in path:
            length_ms = _milliseconds(value)
            if length_ms is None and isinstance(value, str):
                yield path, shown(value), DURATION_EXAMPLES
            elif length_ms == 0 and path[-1] != "lateness":
                yield path, shown(value), "a duration above 0"
            elif length_ms is not None and length_ms > duration_ms(LONGEST):
                yield path, shown(value), f"at most {LONGEST}"


def _checkpoints_rise(tree: dict[str, Any]) -> Iterator[SchemaDifference]:
    yield from _rising(("idle_checkpoints",), tree)
    for path, journey in _under(tree, "journeys"):
        yield from _rising((*path, "idle_checkpoints"), journey)


def _rising(path: DocumentPath, parent: dict[str, Any]) -> Iterator[SchemaDifference]:
    for index, (before, after) in enumerate(pairwise(_list(parent.get("idle_checkpoints"))), start=1):
        before_ms, after_ms = _milliseconds(before), _milliseconds(after)
        if before_ms is not None and after_ms is not None and after_ms <= before_ms:
            yield (*path, index), f"{after} after {before}", "each checkpoint later than the one before"


def _steps_once(tree: dict[str, Any]) -> Iterator[SchemaDifference]:
    for journey_path, journey in _under(tree, "journeys"):
        seen: set[str] = set()
        for path, step in _listed(journey_path, journey, "steps"):
            name = step.get("id")
            if isinstance(name, str) and name in seen:
                yield (*path, "id"), f"{shown(name)} a second time", "each step once in a journey"
            seen |= {name} if isinstance(name, str) else set()


def _unknown_reason(tree: dict[str, Any]) -> Iterator[SchemaDifference]:
    reasons = tree.get("reasons")
    if not isinstance(reasons, dict):
        return
    if UNKNOWN not in reasons:
        yield ("reasons", UNKNOWN), "nothing", "what to say when the cause is not known"
    elif _mapping(reasons[UNKNOWN]).get("evidence"):
        yield ("reasons", UNKNOWN, "evidence"), "evidence", "none: 'unknown' is what remains"


def _evidence(tree: dict[str, Any]) -> Iterator[SchemaDifference]:
    steps = _step_names(tree)
    for reason_path, reason in _under(tree, "reasons"):
        if not reason.get("evidence") and reason_path[-1] != UNKNOWN:
            yield (*reason_path, "evidence"), "nothing", "at least one: without evidence it is never the reason"
        for path, evidence in _listed(reason_path, reason, "evidence"):
            yield from _evidence_steps(path, evidence, steps)
            yield from _evidence_codes(path, evidence)


def _evidence_steps(path: DocumentPath, evidence: dict[str, Any], steps: set[str]) -> Iterator[SchemaDifference]:
    for index, step in enumerate(_list(evidence.get("steps"))):
        if isinstance(step, str) and step not in steps:
            expected = suggestion(step, steps, "a step of some journey")
            yield (*path, "steps", index), f"the step {shown(step)}, which no journey has", expected
    if evidence.get("signal") == "at_step" and not evidence.get("steps"):
        yield (*path, "steps"), "nothing", "the steps that at_step is about"


def _evidence_codes(path: DocumentPath, evidence: dict[str, Any]) -> Iterator[SchemaDifference]:
    signal = str(evidence.get("signal"))
    for index, code in enumerate(_list(evidence.get("codes"))):
        if isinstance(code, str) and "*" in code[:-1]:
            yield (*path, "codes", index), shown(code), "a * only at the end"
    if evidence.get("codes") and signal in _KINDS - _CODED:
        expected = "codes only for step_failed, field_error, rage_click, dead_click (their target) and page_loop"
        yield (*path, "codes"), f"codes for {signal}", expected
    if evidence.get("fields") and signal in _KINDS - _WITH_FIELDS:
        yield (*path, "fields"), f"fields for {signal}", "fields only for field_error and field_hesitation"


def _wording(tree: dict[str, Any]) -> Iterator[SchemaDifference]:
    for path, reason in _under(tree, "reasons"):
        texts: list[tuple[DocumentPath, object]] = [((*path, "say"), reason.get("say"))]
        texts += [((*path, "variants", index), variant) for index, variant in enumerate(_list(reason.get("variants")))]
        for text_path, wording in texts:
            for language, text in _mapping(wording).items():
                rest = str(text)
                for placeholder in PLACEHOLDERS:
                    rest = rest.replace(placeholder, "")
                if "{" in rest or "}" in rest:
                    yield (*text_path, language), shown(text), f"no braces but {' and '.join(PLACEHOLDERS)}"


def _articles(tree: dict[str, Any]) -> Iterator[SchemaDifference]:
    seen: dict[str, tuple[str | int, object]] = {}
    for path, reason in _under(tree, "reasons"):
        article = _mapping(reason.get("article"))
        name = article.get("id")
        if isinstance(name, str):
            first, same = seen.setdefault(name, (path[-1], article))
            if article != same:
                found = f"{shown(name)} with another text than in reasons.{first}"
                yield (*path, "article", "id"), found, "an id of its own for each text"


def _quiet_hours(tree: dict[str, Any]) -> Iterator[SchemaDifference]:
    quiet = _mapping(tree.get("quiet_hours"))
    zone, start, end = quiet.get("zone"), quiet.get("from"), quiet.get("to")
    if isinstance(zone, str) and zone not in available_timezones():
        expected = suggestion(zone, available_timezones(), "an IANA zone such as Asia/Shanghai")
        yield ("quiet_hours", "zone"), shown(zone), expected
    if isinstance(start, str) and start == end:
        yield ("quiet_hours", "to"), f"{shown(end)}, the same as 'from'", "another time of day"


def _milliseconds(value: object) -> int | None:
    """The length of a duration word; None for what is none."""
    try:
        return duration_ms(value) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None


def _step_names(tree: dict[str, Any]) -> set[str]:
    steps = [step for path, journey in _under(tree, "journeys") for _, step in _listed(path, journey, "steps")]
    return {step["id"] for step in steps if isinstance(step.get("id"), str)}


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _under(tree: dict[str, Any], name: str) -> Parts:
    """The mappings below one top-level name."""
    for key, value in _mapping(tree.get(name)).items():
        if isinstance(value, dict):
            yield (name, key), value


def _listed(path: DocumentPath, parent: dict[str, Any], name: str) -> Parts:
    """The mappings in a list of ``parent``."""
    for index, value in enumerate(_list(parent.get(name))):
        if isinstance(value, dict):
            yield (*path, name, index), value


def _leaves(value: object, path: DocumentPath) -> Iterator[tuple[DocumentPath, object]]:
    """Every value that has no parts, with its path."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _leaves(child, (*path, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _leaves(child, (*path, index))
    elif path:
        yield path, value


_CHECKS: Final[tuple[Callable[[dict[str, Any]], Iterator[SchemaDifference]], ...]] = (
    _durations,
    _checkpoints_rise,
    _steps_once,
    _unknown_reason,
    _evidence,
    _wording,
    _articles,
    _quiet_hours,
    need_differences,
)
