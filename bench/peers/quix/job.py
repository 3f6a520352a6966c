"""Quix Streams: a session window over a topic, rows to a JSON file. A program of the environment ``var/peers/quix``.

In and out: see ``bench/peers/session_job.py``; it reads from a broker, not from a file, so the file is written to a
topic of one partition before the clock runs, keyed by attempt and stamped with its own times. An event of nobody's,
of today, comes last: its own session is the one that is never told. One process, as ours; state in its
RocksDB, no changelog topics.
"""

import json
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any, Final

import quixstreams.dataframe.windows.aggregations as agg
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from quixstreams import Application

from bench.peers.session_job import SERVERS, SessionRule, at_ms_of, attempt_of, carry_out, row

_BROKER: Final = {"bootstrap.servers": os.environ.get(SERVERS, "")}
_ANSWER_TIMEOUT_S: Final = 20.0
_QUEUED: Final = 2_000_000
_IDLE_S: Final = 10.0
"""It never ends by itself: after so long without a message it is stopped. With start-up, this is taken off its time."""


class Job:
    """A topic of its own, filled and then read."""

    def __init__(self) -> None:
        self._topic = f"events-{secrets.token_hex(6)}"

    def produce(self, file: Path, rule: SessionRule) -> None:
        """The events of the file to the topic."""
        client = AdminClient({**_BROKER})  # that lives until the answer is there
        client.create_topics([NewTopic(self._topic, 1, 1)])[self._topic].result(_ANSWER_TIMEOUT_S)
        producer = Producer({**_BROKER, "queue.buffering.max.messages": _QUEUED, "linger.ms": 50})
        with file.open("rb") as lines:
            for line in lines:
                event = json.loads(line)
                key, at_ms = attempt_of(event), at_ms_of(event)
                producer.produce(self._topic, line.rstrip(), key, timestamp=at_ms, on_delivery=_arrived)
        producer.produce(self._topic, json.dumps({"event": rule.activity[0]}), "nobody", on_delivery=_arrived)
        producer.flush()

    def run(self, file: Path, rule: SessionRule, folder: Path) -> None:
        """The whole job, until its last row is written."""
        activity = frozenset(rule.activity)
        with (
            tempfile.TemporaryDirectory(prefix="zhiyin-quix-") as state,
            (folder / "sessions.json").open("w", encoding="utf-8") as out,
        ):
            application = Application(
                broker_address=os.environ[SERVERS],
                consumer_group=self._topic,
                auto_offset_reset="earliest",
                state_dir=state,
                loglevel="WARNING",
                use_changelog_topics=False,
            )
            events = application.dataframe(application.topic(self._topic, value_deserializer="json"))
            events = events.filter(lambda event: event.get("event") in activity)
            marks = events.apply(lambda event, _key, at_ms, _headers: _mark(rule, event, at_ms), metadata=True)
            windows = marks.session_window(rule.gap_s * 1_000, rule.lateness_s * 1_000).agg(
                completed=agg.Sum("completed"),
                cancelled=agg.Sum("cancelled"),
                open_ms=agg.Max("open_ms"),
                closed_ms=agg.Max("closed_ms"),
            )
            windows.final(closing_strategy="partition").update(lambda session: out.write(_row(session)))
            application.run(timeout=_IDLE_S)


def _arrived(error: KafkaError | None, _message: Message) -> None:
    if error is not None:
        raise KafkaException(error)


def _mark(rule: SessionRule, event: dict[str, Any], at_ms: int) -> dict[str, int]:
    kind = event["event"]
    step = event.get("properties", {}).get("step")
    completed = kind == rule.completed or (step == rule.final_step and kind in rule.reaches_step)
    cancelled = kind == rule.cancelled
    closes = completed or cancelled
    return {
        "completed": int(completed),
        "cancelled": int(cancelled),
        "open_ms": -1 if closes else at_ms,
        "closed_ms": at_ms if closes else -1,
    }


def _row(session: dict[str, Any]) -> str:
    is_open = session["open_ms"] > session["closed_ms"]
    return row(session["completed"], session["cancelled"], is_open=is_open)


if __name__ == "__main__":
    job = Job()
    carry_out(job.run, before=job.produce)
