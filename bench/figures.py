"""What a measurement gives: figures with their spread, and the aim beside each that has one.

In: samples. Out: ``Figure`` records, percentiles, and the table a person reads.
Refused: no samples at all (ValueError).
"""

import math
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final

import msgspec

Samples = Sequence[float]
_HEADINGS: Final = ("figure", "median", "spread", "aim", "")


class Aim(msgspec.Struct, frozen=True):
    """A limit: ``at_least`` or ``at_most``, whichever is set."""

    at_least: float | None = None
    at_most: float | None = None

    def is_reached(self, value: float) -> bool:
        """Whether ``value`` keeps the limit."""
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    def __str__(self) -> str:
        return f">= {self.at_least:g}" if self.at_least is not None else f"<= {self.at_most:g}"


class Figure(msgspec.Struct, frozen=True):
    """One measured thing. ``lowest``, ``highest``: over the repeats; ``samples``: how many there were."""

    name: str
    value: float
    unit: str
    lowest: float
    highest: float
    samples: int
    aim: Aim | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        """``reached``, ``MISSED``, or nothing where there is no aim."""
        if self.aim is None:
            return ""
        return "reached" if self.aim.is_reached(self.value) else "MISSED"


def figure(name: str, samples: Samples, unit: str, aim: Aim | None = None, note: str = "") -> Figure:
    """The median of ``samples`` with their spread. Raises ValueError when there is none."""
    return Figure(name, median(samples), unit, min(samples), max(samples), len(samples), aim, note)


def percentile(samples: Samples, share: float) -> float:
    """The smallest sample that at least ``share`` (0 to 1) of all do not exceed. Raises ValueError."""
    if not samples:
        raise ValueError("percentile: found no samples, expected at least one; nothing arrived that could be timed")
    return sorted(samples)[max(0, math.ceil(share * len(samples)) - 1)]


def table(figures: Sequence[Figure]) -> str:
    """The figures in columns, each with its notes below it."""
    rows = [_HEADINGS, *(_row(each) for each in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    return "\n".join(_lines(rows, widths, figures))


def _lines(rows: Sequence[Sequence[str]], widths: Sequence[int], figures: Sequence[Figure]) -> Iterator[str]:
    for index, row in enumerate(rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
        if index == 0:
            yield "  ".join("-" * width for width in widths).rstrip()
        elif figures[index - 1].note:
            yield f"    {figures[index - 1].note}"


def _row(each: Figure) -> tuple[str, ...]:
    spread = f"{number(each.lowest)} to {number(each.highest)}" if each.samples > 1 else ""
    aim = f"{each.aim} {each.unit}".strip() if each.aim is not None else ""
    return each.name, f"{number(each.value)} {each.unit}".strip(), spread, aim, each.verdict


def number(value: float) -> str:
    """``value`` with three figures or so: ``0.118``, ``12.3``, ``1,234,567``."""
    size = abs(value)
    if size >= 100:  # noqa: PLR2004 - from here on decimals say nothing
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.3g}"  # noqa: PLR2004 - three figures are enough
