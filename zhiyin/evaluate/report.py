"""The report of an evaluation: one record, written as JSON, printed as tables.

In: what was found. Out: JSON, and text for a terminal of 100 columns. Refused: nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

import msgspec

from operators.hints.uplift import UpliftCounts
from operators.learning.interfaces import LearningFigures
from operators.tracking.features import PredictionQuestion
from zhiyin.evaluate.findings import Finding, Model, Reliability
from zhiyin.evaluate.measures import Measures
from zhiyin.evaluate.timeouts import Promptness

QUESTIONS_IN_WORDS: Final[dict[PredictionQuestion, str]] = {
    "unfinished": "does the attempt never complete?",
    "away": "does the customer not come back from this silence?",
}
MINUTE_S: Final = 60
NEARLY_TWICE: Final = 1.8
_MODEL_TEXTS: Final[dict[Model, str]] = {
    "learned": "learned",
    "step": "step alone",
    "batch": "batch LightGBM",
}


class JourneyTiming(msgspec.Struct, frozen=True):
    """When break-offs of a journey are reported. ``ladder``: one for each target precision, the catalogue's own first.

    ``same_precision``: for each of them, the shortest fixed timeout that is right as often (None: there is none);
    ``fixed``: fixed timeouts at the checkpoints, and what the catalogue calls ``idle_after``.
    """

    journey: str
    ladder: tuple[Promptness, ...]
    same_precision: tuple[Promptness | None, ...]
    fixed: tuple[Promptness, ...]


class JourneyUplift(msgspec.Struct, frozen=True):
    """What hints were worth: shares of 1; None where a group is empty."""

    journey: str
    counts: UpliftCounts
    uplift: float | None
    low: float | None
    high: float | None
    smallest_detectable: float | None


class EvaluationReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything found. ``seconds``: of the replay with learning on; ``notes``: what could not be done, and why."""

    program: str
    recordings: tuple[str, ...]
    events: int
    seconds: float
    findings: tuple[Finding, ...]
    reliability: tuple[Reliability, ...]
    timing: tuple[JourneyTiming, ...]
    uplift: tuple[JourneyUplift, ...]
    learning: tuple[LearningFigures, ...]
    notes: tuple[str, ...] = ()


def uplift_of(journey: str, counts: UpliftCounts) -> JourneyUplift:
    """The counts with what follows from them."""
    estimate = counts.uplift
    share, low, high = (estimate.share, *estimate.interval) if estimate is not None else (None, None, None)
    return JourneyUplift(journey, counts, share, low, high, counts.smallest_detectable)


def printed(report: EvaluationReport) -> str:
    """The report for a person at a terminal."""
    lines = [f"{report.events:,} events in {report.seconds:.1f} s with learning on"]
    for key, group in groupby(report.findings, key=lambda finding: (finding.journey, finding.question)):
        lines += ["", *_predictions(*key, list(group))]
    for timing in report.timing:
        lines += ["", *_timing(timing)]
    for uplift in report.uplift:
        lines += ["", *_uplift(uplift)]
    if report.notes:
        lines += ["", *report.notes]
    return "\n".join(lines) + "\n"


def _predictions(journey: str, question: PredictionQuestion, findings: Sequence[Finding]) -> Iterator[str]:
    yield f"{journey}: {QUESTIONS_IN_WORDS[question]}  (each scored before its outcome was learnt)"
    head = f"{'predictions':>11} {'yes':>5}  {'AUC':>6} {'log loss':>8} {'Brier':>6} {'ECE':>6}"
    yield f"  {'silence':<9}{'model':<15}{head}   last third: {'AUC':>6} {'log loss':>8}"
    compared = [finding for finding in findings if finding.span == "compared"]
    last = {
        (finding.checkpoint_s, finding.model): finding.measures for finding in findings if finding.span == "last_third"
    }
    silence: str | None = None
    shown_s = spread([finding.checkpoint_s for finding in compared if finding.checkpoint_s is not None])
    for finding in sorted(compared, key=lambda finding: finding.checkpoint_s or float("inf")):
        if finding.checkpoint_s is not None and finding.checkpoint_s not in shown_s:
            continue
        text = "all" if finding.checkpoint_s is None else seconds_in_words(finding.checkpoint_s)
        shown = text if text != silence else ""
        silence = text
        tail = _tail(last.get((finding.checkpoint_s, finding.model)))
        yield f"  {shown:<9}{_MODEL_TEXTS[finding.model]:<15}{_figures(finding.measures)}   {tail}"


def _figures(measures: Measures) -> str:
    return (
        f"{measures.rows:>11,} {measures.share_yes:>5.0%}  {_share(measures.auc)} {measures.log_loss:>8.4f} "
        f"{measures.brier:>6.4f} {measures.calibration_error:>6.4f}"
    )


def _tail(measures: Measures | None) -> str:
    return "" if measures is None else f"{'':<11} {_share(measures.auc)} {measures.log_loss:>8.4f}"


def _share(share: float | None) -> str:
    return f"{'-':>6}" if share is None else f"{share:>6.4f}"


def _timing(timing: JourneyTiming) -> Iterator[str]:
    yield f"{timing.journey}: when a break-off is told"
    yield f"  {'':<34}{'told':>9} {'precision':>10} {'mean delay':>11} {'median':>9}"
    for learned, same in zip(timing.ladder, timing.same_precision, strict=True):
        yield _prompt(f"learned, target precision {learned.target_precision:g}", learned)
        yield "  no fixed timeout is right as often" if same is None else _prompt("  fixed, right as often", same)
    shown_s = spread([fixed.timeout_s for fixed in timing.fixed if fixed.timeout_s is not None])
    for fixed in timing.fixed:
        if fixed.timeout_s is not None and fixed.timeout_s in shown_s:
            yield _prompt(f"fixed, {seconds_in_words(fixed.timeout_s)}", fixed)


def _prompt(name: str, promptness: Promptness) -> str:
    if promptness.precision is None or promptness.mean_delay_s is None or promptness.median_delay_s is None:
        return f"  {name:<34}{promptness.told:>9,}"
    delays = f"{promptness.mean_delay_s:>9.0f} s {promptness.median_delay_s:>7.0f} s"
    return f"  {name:<34}{promptness.told:>9,} {promptness.precision:>10.4f} {delays}"


def _uplift(uplift: JourneyUplift) -> Iterator[str]:
    counts = uplift.counts
    yield f"{uplift.journey}: attempts that broke off and then completed in time"
    groups = (
        ("offered hints", counts.offered, counts.offered_completed),
        ("  of these hinted", counts.hinted, counts.hinted_completed),
        ("control group", counts.control, counts.control_completed),
    )
    for name, attempts, completed in groups:
        share = f"{completed / attempts:.1%}" if attempts else "-"
        yield f"  {name:<20}{completed:>8,} of {attempts:>8,} {share:>7}"
    if uplift.uplift is None or uplift.low is None or uplift.high is None or uplift.smallest_detectable is None:
        yield "  no uplift can be told: one of the groups is empty"
        return
    yield (
        f"  uplift {uplift.uplift * 100:+.1f} points, "
        f"95 % interval {uplift.low * 100:+.1f} to {uplift.high * 100:+.1f}; "
        f"so many attempts show {uplift.smallest_detectable * 100:.1f} points four times in five"
    )


def spread(seconds: Iterable[float]) -> set[float]:
    """Those of ``seconds`` that are printed: the shortest, each that is nearly twice the one before, the longest."""
    ordered = sorted(set(seconds))
    shown = ordered[:1]
    for value in ordered:
        if shown and value >= NEARLY_TWICE * shown[-1]:
            shown.append(value)
    return {*shown, *ordered[-1:]}


def seconds_in_words(seconds: float) -> str:
    """``30 s``, ``5 min``."""
    whole_minutes = seconds > MINUTE_S and seconds % MINUTE_S == 0
    return f"{seconds / MINUTE_S:g} min" if whole_minutes else f"{seconds:g} s"


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings by journey and question, as they are printed."""
    return tuple(sorted(findings, key=lambda finding: (finding.journey, finding.question)))
