"""Pathway: ``windowby`` with a session over a file, rows to a JSON file.

A program of the environment ``var/peers/pathway``. In and out: see ``bench/peers/session_job.py``. The file
is read in its static mode, which is its quickest; expressions only, no Python on the way of an event.
"""

import os
from pathlib import Path
from typing import Final

from bench.peers.session_job import PARALLELISM, SessionRule, carry_out

os.environ["PATHWAY_THREADS"] = str(PARALLELISM)  # read as it is imported

import pathway as pw

_PATHS: Final = {
    "journey": "/properties/journey",
    "transaction_id": "/properties/transaction_id",
    "step": "/properties/step",
}
_COLUMNS: Final = ("event", "userId", "anonymousId", "timestamp", *_PATHS)


def run(file: Path, rule: SessionRule, folder: Path) -> None:
    """The whole job, until its last row is written."""
    schema = pw.schema_builder({name: pw.column_definition(dtype=str | None, default_value=None) for name in _COLUMNS})
    events = pw.io.jsonlines.read(str(file), schema=schema, mode="static", json_field_paths=_PATHS)
    activity = events.filter(_is_one_of(events.event, rule.activity))
    completed = (activity.event == rule.completed) | (
        (activity.step == rule.final_step) & _is_one_of(activity.event, rule.reaches_step)
    )
    cancelled = activity.event == rule.cancelled
    timed = activity.select(
        key=pw.make_tuple(
            pw.coalesce(activity.userId, activity.anonymousId), activity.journey, activity.transaction_id
        ),
        at_ms=pw.unwrap(activity.timestamp).dt.strptime("%Y-%m-%dT%H:%M:%S.%fZ").dt.timestamp(unit="ms"),
        completed=pw.cast(int, completed),
        cancelled=pw.cast(int, cancelled),
    )
    marked = timed.with_columns(
        closed_ms=pw.if_else(timed.completed + timed.cancelled > 0, timed.at_ms, -1.0),
        active_ms=pw.if_else(timed.completed + timed.cancelled > 0, -1.0, timed.at_ms),
    )
    # Its gap is the first silence that is too long, ours the last that is not: timestamps are whole milliseconds.
    windows = marked.windowby(
        marked.at_ms, window=pw.temporal.session(max_gap=rule.gap_s * 1_000 + 0.5), instance=marked.key
    )
    sessions = windows.reduce(
        completed=pw.reducers.sum(pw.this.completed),
        cancelled=pw.reducers.sum(pw.this.cancelled),
        is_open=pw.reducers.max(pw.this.active_ms) > pw.reducers.max(pw.this.closed_ms),
    )
    pw.io.jsonlines.write(sessions, str(folder / "sessions.json"))
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)


def _is_one_of(column: pw.ColumnExpression, words: tuple[str, ...]) -> pw.ColumnExpression:
    found = column == words[0]
    for word in words[1:]:
        found |= column == word
    return found


if __name__ == "__main__":
    carry_out(run)
