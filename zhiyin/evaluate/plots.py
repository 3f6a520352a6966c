"""Two pictures of an evaluation, as PNG: what was said against what happened, and delay against precision.

In: a report, a folder. Out: the files' paths. Refused: a machine without matplotlib (``PlotsMissing``).
"""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from operators.tracking.features import PredictionQuestion
from zhiyin.evaluate.findings import Reliability
from zhiyin.evaluate.report import EvaluationReport, JourneyTiming

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RELIABILITY: Final = "reliability.png"
PROMPTNESS: Final = "delay-precision.png"
_TITLES: Final[dict[PredictionQuestion, str]] = {
    "unfinished": "never completes",
    "away": "does not come back",
}
_INCHES: Final = 4.2
_DOTS_AN_INCH: Final = 110
_LARGEST_DOT: Final = 260
_LEARNED: Final = "#0b6e4f"
_FIXED: Final = "#b5532a"
_ROOM: Final = 1.6
_MARGIN: Final = 0.02
_GREY: Final = "#8a8a8a"


class PlotsMissing(Exception):
    """There is no matplotlib here."""

    def __init__(self) -> None:
        super().__init__(
            "pictures: found no package matplotlib, expected it for reliability.png and delay-precision.png; "
            "install the evaluation packages (make setup), or read report.json"
        )


def plot(report: EvaluationReport, folder: Path) -> list[Path]:
    """Writes the pictures there is something to show in. Raises PlotsMissing, OSError."""
    if importlib.util.find_spec("matplotlib") is None:
        raise PlotsMissing
    timed = [timing for timing in report.timing if _points(timing)]
    written = []
    if report.reliability:
        written.append(_pictures(folder / RELIABILITY, len(report.reliability), _reliability, report.reliability))
    if timed:
        written.append(_pictures(folder / PROMPTNESS, len(timed), _promptness, timed))
    return written


def _pictures(path: Path, count: int, draw: Callable[[Any, Any], None], items: Sequence[object]) -> Path:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_INCHES * count, _INCHES), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, item in zip(figure.subplots(1, count, squeeze=False)[0], items, strict=True):
        draw(axes, item)
        axes.grid(visible=True, alpha=0.25)
    figure.savefig(path, dpi=_DOTS_AN_INCH)
    return path


def _reliability(axes: "Axes", reliability: Reliability) -> None:
    most = max(interval.rows for interval in reliability.bins)
    scores, shares = (
        [interval.mean_score for interval in reliability.bins],
        [interval.share_yes for interval in reliability.bins],
    )
    axes.plot((0, 1), (0, 1), color=_GREY, linestyle="--", linewidth=1, label="as it should be")
    axes.plot(scores, shares, color=_LEARNED, linewidth=1.5)
    axes.scatter(
        scores,
        shares,
        s=[max(12.0, _LARGEST_DOT * interval.rows / most) for interval in reliability.bins],
        color=_LEARNED,
        alpha=0.75,
        label="learned (area: predictions)",
    )
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability that was said", ylabel="share that turned out so")
    axes.set_title(f"{reliability.journey}: {_TITLES[reliability.question]}", fontsize=10)
    axes.legend(fontsize=8, loc="upper left")


def _points(timing: JourneyTiming) -> list[tuple[float, float, float | None]]:
    """Mean delay, precision and target of each run of the checkpoint policy."""
    return [
        (promptness.mean_delay_s, promptness.precision, promptness.target_precision)
        for promptness in timing.ladder
        if promptness.precision is not None and promptness.mean_delay_s is not None
    ]


def _promptness(axes: "Axes", timing: JourneyTiming) -> None:
    learned = sorted(_points(timing))
    fixed = sorted((run.timeout_s, run.precision) for run in timing.fixed if run.timeout_s and run.precision)
    axes.plot(*zip(*fixed, strict=True), color=_FIXED, marker="s", markersize=4, label="fixed timeout")
    axes.plot(
        [point[0] for point in learned], [point[1] for point in learned], color=_LEARNED, marker="o", label="learned"
    )
    for delay_s, precision, target in learned:
        axes.annotate(
            f"{target:g}", (delay_s, precision), fontsize=7, ha="right", xytext=(-3, 5), textcoords="offset points"
        )
    axes.set(xlabel="mean delay from the last event, s", ylabel="precision")
    axes.set_xlim(0, _ROOM * max(point[0] for point in learned))
    axes.set_ylim(max(0.0, 1 - _ROOM * (1 - min(point[1] for point in learned)) - _MARGIN), 1 + _MARGIN)
    axes.set_title(f"{timing.journey}: when a break-off is told", fontsize=10)
    axes.legend(fontsize=8, loc="lower right")
