"""``zhiyin models``: which versions of what has been learnt there are, and the way back to one of them.

In: settings and what was typed. Out: text on stdout, an exit code. Refused: a journey without models, none named where
there are several (``JourneyUnclear``); a version that is not there or can't be used (``state.snapshots.model_store``).
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from config import Settings
from operators.learning.interfaces import MODEL_FORMAT, Quality
from operators.support.timestamps import iso_text
from state.snapshots.model_store import ModelDescription, ModelStore, ModelUnusable, models_folder
from zhiyin.console.errors import CommandFailure
from zhiyin.console.terminal import say

_HEADS: Final = ("JOURNEY", "VERSION", "SAVED", "TRAINED ON", "LABELS", "LEADS", "LOG LOSS", "BETTER BY", "AUC")
_SHOWN_QUESTION: Final = "unfinished"


class JourneyUnclear(CommandFailure):
    """Not clear of which journey. ``folder``: of all models; ``wanted``: what was named; ``there``: what there is."""

    def __init__(self, folder: Path, wanted: str | None, there: Sequence[str]) -> None:
        self.folder = folder
        self.wanted = wanted
        self.there = tuple(there)
        found = "no --journey" if wanted is None else f"--journey {wanted}"
        expected = f"one of {', '.join(there)}" if there else "models, but none have been saved there yet"
        super().__init__(f"models in {folder}: found {found}, expected {expected}; 'zhiyin models list' shows them")


def run_models(settings: Settings, chosen: argparse.Namespace) -> int:
    """Carry out one action; the exit code. Raises CommandFailure, ModelDamaged, ModelForeign, ModelMissing, OSError."""
    folder = models_folder(settings.state_dir)
    return _ACTIONS[chosen.action](ModelStore(folder, MODEL_FORMAT), folder, chosen)


def list_models(store: ModelStore, folder: Path, chosen: argparse.Namespace) -> int:
    """``zhiyin models list``."""
    journeys = store.journeys() if chosen.journey is None else [_journey(store, folder, chosen.journey)]
    rows: list[tuple[str, ...]] = [_HEADS]
    unusable: list[ModelUnusable] = []
    for journey in journeys:
        pinned = store.pinned(journey)
        for version in store.versions(journey):
            if not isinstance(version, ModelDescription):
                unusable.append(version)
            elif chosen.json:
                sys.stdout.write(msgspec.json.encode(_document(version, pinned)).decode() + "\n")
            else:
                rows.append(_cells(version, pinned))
    if not chosen.json:
        sys.stdout.write(_table(rows) if len(rows) > 1 else f"no models in {folder}\n")
    for error in unusable:
        say(str(error))
    return 1 if unusable else 0


def show_model(store: ModelStore, folder: Path, chosen: argparse.Namespace) -> int:
    """``zhiyin models show``."""
    journey = _journey(store, folder, chosen.journey)
    description, packed = store.read(journey, chosen.version)
    pinned = store.pinned(journey)
    if chosen.json:
        sys.stdout.write(msgspec.json.encode(_document(description, pinned)).decode() + "\n")
    else:
        sys.stdout.write(_whole(description, len(packed), pinned))
    return 0


def roll_back(store: ModelStore, folder: Path, chosen: argparse.Namespace) -> int:
    """``zhiyin models rollback``."""
    journey = _journey(store, folder, chosen.journey)
    if chosen.release:
        store.release(journey)
        sys.stdout.write(f"{journey}: no version is pinned; what is learnt from now on is kept\n")
        return 0
    store.pin(journey, chosen.version)
    sys.stdout.write(
        f"{journey}: version {chosen.version} is pinned; the engine begins with it at its next start, "
        "and at each after it until 'zhiyin models rollback --release'\n"
    )
    return 0


def _journey(store: ModelStore, folder: Path, wanted: str | None) -> str:
    journeys = store.journeys()
    if wanted is None and len(journeys) == 1:
        return journeys[0]
    if wanted is None or wanted not in journeys:
        raise JourneyUnclear(folder, wanted, journeys)
    return wanted


def _document(description: ModelDescription, pinned: int | None) -> dict[str, object]:
    return {**msgspec.to_builtins(description), "pinned": description.version == pinned}


def _cells(description: ModelDescription, pinned: int | None) -> tuple[str, ...]:
    leads = next(
        (quality for quality in description.figures if quality.leads and quality.question == _SHOWN_QUESTION), None
    )
    figures = ("-",) * 4 if leads is None else (leads.model, *_figures(leads))
    return (
        description.journey,
        f"{description.version}{' pinned' if description.version == pinned else ''}",
        iso_text(description.saved_ms)[:19],
        _span(description),
        f"{description.labels:,}",
        *figures,
    )


def _figures(quality: Quality) -> tuple[str, str, str]:
    return f"{quality.log_loss:.4f}", f"{quality.base_log_loss - quality.log_loss:+.4f}", f"{quality.auc:.4f}"


def _span(description: ModelDescription) -> str:
    first_ms, last_ms = description.trained_from_ms, description.trained_to_ms
    if first_ms is None or last_ms is None:
        return "nothing yet"
    return f"{iso_text(first_ms)[:10]} to {iso_text(last_ms)[:10]}"


def _whole(description: ModelDescription, size_bytes: int, pinned: int | None) -> str:
    lines = {
        "journey": description.journey,
        "version": f"{description.version}{', pinned' if description.version == pinned else ''}",
        "saved": f"{iso_text(description.saved_ms)} by {description.program}",
        "trained": f"{_span(description)}, {description.labels:,} labels",
        "catalogue": description.catalogue,
        "models": f"{description.format}, {size_bytes:,} bytes",
    }
    facts = "".join(f"{head:<10} {text}\n" for head, text in lines.items())
    heads = ("QUESTION", "MODEL", "LABELS", "LOG LOSS", "BETTER BY", "AUC", "BRIER", "ECE")
    rows = [
        (
            quality.question,
            f"{quality.model}{' (leads)' if quality.leads else ''}",
            f"{quality.labels:,}",
            *_figures(quality),
            f"{quality.brier:.4f}",
            f"{quality.calibration_error:.4f}",
        )
        for quality in description.figures
    ]
    return f"{facts}\n{_table([heads, *rows])}" if rows else facts


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) for cells in rows]
    return "".join(f"{line.rstrip()}\n" for line in lines)


_ACTIONS: Final[Mapping[str, Callable[[ModelStore, Path, argparse.Namespace], int]]] = {
    "list": list_models,
    "show": show_model,
    "rollback": roll_back,
}
