"""Events on the wire: simulated records to Segment-shaped JSON, posted in batches to a collector.

In: the collector's address, a write key, documents. Out: what the collector took.
Refused: an address that is no http(s) URL, a write key the collector does not know
(``CommandFailure``). A collector that is away or full is asked again, later.
"""

import base64
import http.client
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, Final, Self
from urllib.parse import urlsplit

import msgspec

from operators.support.timestamps import iso_text
from zhiyin.console.errors import CommandFailure
from zhiyin.simulate.visit import SimulatedEvent

BATCH_EVENTS: Final = 500
_TIMEOUT_S: Final = 10.0
_LONGEST_WAIT_S: Final = 10.0
_ENCODE: Final = msgspec.json.Encoder().encode


class Posted(msgspec.Struct):
    """What happened so far: events taken and refused, and how often the collector had to be asked again."""

    taken: int = 0
    refused: int = 0
    retries: int = 0

    def __str__(self) -> str:
        return f"{self.taken} events posted, {self.refused} refused, {self.retries} retries"


def wire_event(event: SimulatedEvent, at_ms: int) -> dict[str, Any]:
    """The event as a browser's SDK would send it, at ``at_ms`` (epoch)."""
    kind = "event" if event.type == "track" else "name"
    return {
        "type": event.type,
        kind: event.event,
        "messageId": event.message_id,
        "userId": event.customer_id,
        "timestamp": iso_text(at_ms),
        "context": {"channel": "web", "library": {"name": "zhiyin-simulate", "version": "1"}},
        "properties": event.properties,
    }


class CollectorClient:
    """A collector's ``/v1/batch``, over one connection that stays open inside a ``with``."""

    def __init__(
        self, url: str, write_key: str, write_line: Callable[[str], None], stopped: Callable[[], bool]
    ) -> None:
        self._connection, self._path = _connection(url)
        self._headers = {
            "Authorization": "Basic " + base64.b64encode(f"{write_key}:".encode()).decode(),
            "Content-Type": "application/json",
        }
        self._url = url
        self._write_line = write_line
        self._stopped = stopped
        self.posted = Posted()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def post(self, batch: Sequence[dict[str, Any]]) -> None:
        """Post ``batch``; asks again until it is taken, refused for good, or we are asked to stop."""
        wait_s = 0.2
        while not self._stopped():
            status, retry_after_s, answer = self._send(batch)
            if status is not None and not _is_retryable(status):
                self._settled(status, len(batch), answer)
                return
            self.posted.retries += 1
            self._write_line(f"collector {self._url}: {answer}; asking again")
            self._rest(retry_after_s or wait_s)
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)

    def _settled(self, status: int, events: int, answer: str) -> None:
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            self.posted.taken += events
        elif status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise CommandFailure(
                f"collector {self._url}: write key refused (HTTP {status}), expected one it knows; "
                "give --write-key the key 'zhiyin up' prints"
            )
        else:
            self.posted.refused += events
            self._write_line(f"collector {self._url}: {events} events refused: {answer}")

    def _send(self, batch: Sequence[dict[str, Any]]) -> tuple[int | None, float, str]:
        """Status (None: no answer at all), seconds to wait, and the beginning of the answer."""
        body = _ENCODE({"batch": batch, "sentAt": iso_text(round(time.time() * 1000))})
        try:
            self._connection.request("POST", self._path, body, self._headers)
            response = self._connection.getresponse()
            text = response.read().decode("utf-8", "replace")[:300]
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return None, 0.0, f"{type(error).__name__}: {error}"
        wait = response.headers.get("Retry-After", "")
        return response.status, float(wait) if wait.isdigit() else 0.0, f"HTTP {response.status} {text}"

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._stopped():
            time.sleep(0.05)


def _connection(url: str) -> tuple[http.client.HTTPConnection, str]:
    """The connection to ``url``, which connects when first used, and the path to post to. Raises CommandFailure."""
    try:
        parts = urlsplit(url)
        kind = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}[
            parts.scheme if parts.hostname else ""
        ]
        return kind(parts.hostname or "", parts.port, timeout=_TIMEOUT_S), parts.path.rstrip("/") + "/v1/batch"
    except (ValueError, KeyError, http.client.InvalidURL) as error:
        raise CommandFailure(
            f"collector: found {url!r}, expected http://HOST:PORT; give --to the URL 'zhiyin up' prints"
        ) from error


def _is_retryable(status: int) -> bool:
    return status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
