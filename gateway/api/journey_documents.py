"""A journey's map as the API and the page have it: the panes of a window, put together.

In: a journey's description, panes, a window, a channel and a group. Out: one document, shares as shares of 1, times
in seconds. Refused: nothing.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from operators.monitoring.journey_map import Pane, PaneKey, StepTally, Window, over
from operators.monitoring.satisfaction import satisfaction, share_document
from operators.monitoring.step_shares import Shares
from operators.support.timestamps import iso_text
from operators.tracking.segments import channel_of, group_of
from operators.tracking.transitions import FAILED, MOVED

OUTCOMES: Final = ("started", "completed", "abandoned", "returned", "cancelled", "expired")
DWELL_SHARES: Final = (0.5, 0.9, 0.99)
MOST_FAILURES: Final = 10


class MapView(NamedTuple):
    """What of a journey is looked at: a window that ends at ``newest_ms``; ``channel``, ``group``: None for all."""

    window: Window
    newest_ms: int
    channel: str | None
    group: str | None


def map_document(journey: Mapping[str, Any], panes: Mapping[PaneKey, Pane], view: MapView) -> dict[str, Any]:
    """The whole map of a window."""
    tally = over(panes.values(), view.channel, view.group)
    segments = {segment for pane in panes.values() for segment in pane}
    return {
        **journey,
        "window": view.window.name,
        "channel": view.channel,
        "group": view.group,
        "channels": sorted({channel_of(segment) for segment in segments}),
        "groups": sorted({group_of(segment) for segment in segments}),
        "since": iso_text(view.window.start_ms(view.newest_ms)),
        "as_of": iso_text(view.newest_ms),
        "totals": {kind: tally.total(kind) for kind in OUTCOMES},
        "steps": [_step(step, tally) for step in journey["steps"]],
        "moves": _transitions(tally),
        "series": _series(panes, view),
        "satisfaction": satisfaction(tally),
    }


def _step(step: Mapping[str, Any], tally: StepTally) -> dict[str, Any]:
    name = step["id"]
    shares = Shares([tally])
    loss, failure = shares.of("loss", name), shares.of("failure", name)
    return {
        **step,
        "arrived": failure.trials,
        **{kind: tally.total(kind, name) for kind in OUTCOMES},
        "loss": share_document(*loss),
        "failure": share_document(*failure),
        "failures": _failures(tally, name),
        "dwell": _dwell(tally, name),
    }


def _failures(tally: StepTally, step: str) -> list[dict[str, Any]]:
    """By code, the most frequent first."""
    counts: Counter[str] = Counter()
    for (kind, at_step, code), number in tally.counts.items():
        if kind == FAILED and at_step == step:
            counts[code] += number
    return [{"code": code, "count": number} for code, number in counts.most_common(MOST_FAILURES)]


def _dwell(tally: StepTally, step: str) -> dict[str, Any]:
    """How long customers stayed who went on: quantiles within two hundredths of the share named."""
    dwell = tally.dwells.get(step)
    quantiles = dwell.quantiles(DWELL_SHARES) if dwell is not None else []
    names = [f"p{round(share * 100)}_s" for share in DWELL_SHARES]
    values: list[float | None] = [round(quantile / 1000, 1) for quantile in quantiles]
    return {
        "count": dwell.count if dwell is not None else 0,
        **dict(zip(names, values or [None] * len(names), strict=True)),
    }


def _transitions(tally: StepTally) -> list[dict[str, Any]]:
    transitions = [(step, to, number) for (kind, step, to), number in tally.counts.items() if kind == MOVED]
    return [{"from": step, "to": to, "count": number} for step, to, number in sorted(transitions)]


def _series(panes: Mapping[PaneKey, Pane], view: MapView) -> dict[str, Any]:
    """What began, ended well and broke off in each pane of the window, oldest first."""
    window, start_ms = view.window, view.window.start_ms(view.newest_ms)
    grouped: dict[int, list[Pane]] = {}
    for key, pane in panes.items():
        grouped.setdefault((key.start_ms - start_ms) // window.pane_ms, []).append(pane)
    points = [_point(grouped.get(index, ()), view) for index in range(window.panes)]
    return {
        "pane_s": window.pane_ms // 1000,
        "since": iso_text(start_ms),
        **{kind: [point[kind] for point in points] for kind in ("started", "completed", "abandoned")},
    }


def _point(panes: Iterable[Pane], view: MapView) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for pane in panes:
        for segment, tally in pane.items():
            if view.channel in (None, channel_of(segment)) and view.group in (None, group_of(segment)):
                for (kind, _, _), number in tally.counts.items():
                    counts[kind] += number
    return counts
