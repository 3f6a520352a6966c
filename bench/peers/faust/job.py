"""Faust: an agent over a topic that keeps sessions by hand, rows to a JSON file. A program of ``var/peers/faust``.

In and out: see ``bench/peers/session_job.py``. Faust has no session windows, so what ends a session is written here:
an event of the same attempt after a longer silence, or the watermark (the newest event less the lateness). It reads
from a broker, so the file is written to a topic of one partition before the clock runs; an event of nobody's comes last
and ends the job. One process, as ours; sessions in a dictionary, for a table of its own sends a message to its
changelog for every event.
"""

import asyncio
import json
import os
import secrets
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO

import faust
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench.peers.session_job import SERVERS, SessionRule, at_ms_of, attempt_of, carry_out, row

LAST: Final = b"nobody"
"""The key of the event after all others."""
_BROKER: Final = os.environ.get(SERVERS, "")
_EXPIRES_EVERY: Final = 1_000
"""So many events between two looks for sessions that the watermark has passed."""


class Session(NamedTuple):
    """One session so far, times in epoch ms."""

    last_ms: int
    completed: int = 0
    cancelled: int = 0
    open_ms: int = -1
    closed_ms: int = -1


class Sessions:
    """All that are open, and where those go that have ended."""

    def __init__(self, rule: SessionRule, out: TextIO) -> None:
        self._rule = rule
        self._out = out
        self._activity = frozenset(rule.activity)
        self._open: dict[bytes, Session] = {}
        self._newest_ms = 0
        self._taken = 0

    def take(self, key: bytes, event: dict[str, Any]) -> None:
        """One event."""
        kind = event.get("event")
        if kind not in self._activity:
            return
        at_ms = at_ms_of(event)
        session = self._open.get(key)
        if session is not None and at_ms - session.last_ms > self._rule.gap_s * 1_000:
            self._end(session)
            session = None
        self._open[key] = self._after(session or Session(at_ms), event, at_ms)
        self._newest_ms = max(self._newest_ms, at_ms)
        self._taken += 1
        if self._taken % _EXPIRES_EVERY == 0:
            self._expire(self._newest_ms - (self._rule.lateness_s + self._rule.gap_s) * 1_000)

    def end(self) -> None:
        """Nothing comes any more."""
        self._expire(self._newest_ms + 1)

    def _after(self, session: Session, event: dict[str, Any], at_ms: int) -> Session:
        rule = self._rule
        reaches_end = event.get("properties", {}).get("step") == rule.final_step and event["event"] in rule.reaches_step
        completed, cancelled = event["event"] == rule.completed or reaches_end, event["event"] == rule.cancelled
        closes = completed or cancelled
        return Session(
            max(session.last_ms, at_ms),
            session.completed + completed,
            session.cancelled + cancelled,
            session.open_ms if closes else max(session.open_ms, at_ms),
            max(session.closed_ms, at_ms) if closes else session.closed_ms,
        )

    def _expire(self, before_ms: int) -> None:
        for key in [key for key, session in self._open.items() if session.last_ms < before_ms]:
            self._end(self._open.pop(key))

    def _end(self, session: Session) -> None:
        self._out.write(row(session.completed, session.cancelled, is_open=session.open_ms > session.closed_ms))


class Job:
    """A topic of its own, filled and then read."""

    def __init__(self) -> None:
        self._topic = f"events-{secrets.token_hex(6)}"

    def produce(self, file: Path, rule: SessionRule) -> None:
        """The events of the file to the topic."""
        asyncio.run(self._produce(file))

    def run(self, file: Path, rule: SessionRule, folder: Path) -> None:
        """The whole job, until its last row is written."""
        with (folder / "sessions.json").open("w", encoding="utf-8") as out:
            asyncio.run(self._read(Sessions(rule, out), folder))

    async def _produce(self, file: Path) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=_BROKER)
        await admin.start()
        await admin.create_topics([NewTopic(self._topic, 1, 1)])
        await admin.close()
        producer = AIOKafkaProducer(bootstrap_servers=_BROKER, linger_ms=20, max_batch_size=1 << 19)
        await producer.start()
        with file.open("rb") as lines:
            for line in lines:
                await producer.send(self._topic, line.rstrip(), key=attempt_of(json.loads(line)).encode())
        await producer.send(self._topic, b"{}", key=LAST)
        await producer.stop()

    async def _read(self, sessions: Sessions, folder: Path) -> None:
        app = faust.App(
            self._topic,
            broker=f"kafka://{_BROKER}",
            store="memory://",
            datadir=str(folder / "_faust"),
            topic_partitions=1,
            consumer_auto_offset_reset="earliest",
            web_enabled=False,
        )
        over = asyncio.Event()

        async def keep_sessions(stream: faust.StreamT[bytes]) -> None:
            async for key, value in stream.items():
                if key == LAST:
                    sessions.end()
                    over.set()
                else:
                    sessions.take(key, json.loads(value))

        topic = app.topic(self._topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
        app.agent(topic)(keep_sessions)
        app.finalize()
        await app.start()
        await over.wait()
        await app.stop()


if __name__ == "__main__":
    job = Job()
    carry_out(job.run, before=job.produce)
