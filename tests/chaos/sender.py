"""Sends what customers do through the collector, in real time, as patiently as a sender's library.

In: acts. Out: what was said yes to, by ``messageId``. What was not, or not surely, is sent again under the same
id and with the time it is then: a customer who can't reach us goes on when he can. So nothing that reaches the
bus is older than ``MOST_AGO_MS`` and the time one request takes. A sender that ``keeps`` has customers who go on
meanwhile, and brings it all later, in order, each event with its own time.

No two events are made in the same millisecond: an attempt is known by when it began.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, Self

import httpx

from tests.chaos.customers import Act
from tests.streams import wire

PAUSE_S: Final = 0.02
AGAIN_S: Final = 0.1
REQUEST_TIMEOUT_S: Final = 8.0
MOST_EVENTS: Final = 200
STOPS_WITHIN_S: Final = 300.0


class SentEvents(NamedTuple):
    """One act under its id; ``raw`` are its very bytes when it is sent a second time."""

    message_id: str
    act: Act
    raw: bytes | None = None


def wall_clock_ms() -> int:
    """Now, in epoch ms."""
    return time.time_ns() // 1_000_000


class Sender:
    """Sends inside its ``with``, until ``stop``. ``accepted``: ids the collector said yes to."""

    def __init__(
        self,
        url: str,
        write_key: str,
        acts: Iterator[Act],
        clock_ms: Callable[[], int] = wall_clock_ms,
        *,
        keeps: bool = False,
    ) -> None:
        self.accepted: list[str] = []
        self.refusals: list[str] = []
        self.failed_requests = 0
        self._url = url
        self._write_key = write_key
        self._acts = acts
        self._clock_ms = clock_ms
        self._keeps = keeps
        self._began_ms = clock_ms()
        self._number = 0
        self._stamp_ms = 0
        self._sent: dict[str, bytes] = {}
        self._waiting: Act | None = None
        self._again: list[tuple[float, SentEvents]] = []
        self._stopping = threading.Event()
        self._given_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sender")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._given_up.set()
        self.stop()

    @property
    def behind_s(self) -> float:
        """How long ago it was that what is to be sent next was to be sent."""
        waiting = self._waiting
        return self._now_s() if waiting is None else self._now_s() - waiting.due_s

    def stop(self) -> None:
        """What was begun is brought to an end, if the collector takes it at all."""
        self._stopping.set()
        self._thread.join(STOPS_WITHIN_S)
        if self._thread.is_alive():
            self.refusals.append(f"the collector took nothing for {STOPS_WITHIN_S:.0f} s")
            self._given_up.set()
            self._thread.join()

    def _run(self) -> None:
        with httpx.Client(auth=(self._write_key, ""), timeout=REQUEST_TIMEOUT_S) as client:
            while not self._stopping.is_set():
                due = self._due(self._now_s())
                if due:
                    self._send(client, due)
                    self._remember(due, self._now_s())
                else:
                    time.sleep(PAUSE_S)

    def _now_s(self) -> float:
        return (self._clock_ms() - self._began_ms) / 1000

    def _due(self, now_s: float) -> list[SentEvents]:
        due = [sent for at_s, sent in self._again if at_s <= now_s]
        self._again = [(at_s, sent) for at_s, sent in self._again if at_s > now_s]
        while len(due) < MOST_EVENTS:
            act, self._waiting = self._waiting or next(self._acts), None
            if act.due_s > now_s:
                self._waiting = act
                break
            self._number += 1
            due.append(SentEvents(f"m-{self._number}", act))
        return due

    def _send(self, client: httpx.Client, due: Sequence[SentEvents]) -> None:
        """Until it is taken, or given up."""
        while not self._given_up.is_set():
            raws = [sent.raw or self._raw(sent) for sent in due]
            if self._taken(client, b'{"batch":[' + b",".join(raws) + b"]}"):
                self._sent = dict(zip((sent.message_id for sent in due), raws, strict=True))
                self.accepted += self._sent
                return
            self.failed_requests += 1
            time.sleep(AGAIN_S)

    def _taken(self, client: httpx.Client, body: bytes) -> bool:
        try:
            answer = client.post(f"{self._url}/v1/batch", content=body)
        except httpx.HTTPError:
            return False
        if answer.is_success and answer.json()["rejected"]:
            self.refusals.append(answer.text)
        elif answer.is_client_error and answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
            self.refusals.append(answer.text)
            return True
        return answer.is_success

    def _remember(self, due: Sequence[SentEvents], now_s: float) -> None:
        """What is to be sent a second time: the same bytes; by who keeps nothing, who would bring them far too late."""
        for sent in due:
            if sent.message_id in self._sent and sent.raw is None and sent.act.again_after_s and not self._keeps:
                self._again.append((now_s + sent.act.again_after_s, sent._replace(raw=self._sent[sent.message_id])))

    def _raw(self, sent: SentEvents) -> bytes:
        act = sent.act
        made_ms = self._began_ms + round(act.due_s * 1000) if self._keeps else self._clock_ms()
        self._stamp_ms = max(self._stamp_ms + 1, made_ms)
        return wire(
            {
                "customer": act.customer,
                "id": sent.message_id,
                "name": act.name,
                "at_ms": self._stamp_ms - act.ago_ms,
                "journey": act.journey,
                "transaction_id": act.transaction_id,
                "step": act.step,
            }
        )
