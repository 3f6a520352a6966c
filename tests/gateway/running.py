"""A real gateway in a thread of the test, and what tests ask of it."""

import asyncio
import threading
from typing import Final

import httpx
import msgspec

from config.settings.load import Settings
from gateway.auth.tokens import AGENT, CHATBOT, issue_token
from gateway.ingest.collector import wall_clock_ms
from gateway.server import GatewayAddresses, serve
from state.bus.protocol import BusEntry
from state.bus.redis import RedisBusReader
from state.redis.connections import connect
from tests.parts.processes import PATIENCE_S

SECRET: Final = "tests-secret-tests-secret-tests-secret"
WRITE_KEY: Final = "tests-write-key"


def gateway_settings(redis_url: str | None, **more: object) -> Settings:
    """Settings of a gateway on free ports."""
    free = dict.fromkeys(("http_port", "ws_port", "gateway_metrics_port"), 0)
    given = {"redis_url": redis_url, "write_keys": (WRITE_KEY,), "token_secret": SECRET, **free, **more}
    return msgspec.convert(given, Settings)


class RunningGateway:
    """One gateway, started; ``http`` is a client that shows the write key."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._found: GatewayAddresses | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)
        self._thread.start()
        self._ready.wait(PATIENCE_S)
        if self._error is not None:
            raise self._error
        self.http = httpx.Client(base_url=self.addresses.http, auth=(WRITE_KEY, ""), timeout=PATIENCE_S)

    @property
    def addresses(self) -> GatewayAddresses:
        """Where it is."""
        assert self._found is not None
        return self._found

    def stop(self) -> None:
        """Stop in order; a failure of the gateway is raised here."""
        self.http.close()
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the gateway does not stop"
        if self._error is not None:
            raise self._error

    def bus(self) -> list[BusEntry]:
        """All events on the bus."""
        with connect(self.settings.redis_url or "") as client:
            readers = [RedisBusReader(client, number) for number in range(self.settings.bus_partitions)]
            return [entry for reader in readers for entry in reader.read(None, 100_000).entries]

    def metric(self, name: str) -> dict[str, float]:
        """The samples of one metric that are not 0, by what stands in their braces."""
        text = httpx.get(self.addresses.metrics, timeout=PATIENCE_S).text
        lines = [line.rpartition(" ") for line in text.splitlines() if line.startswith((f"{name}{{", f"{name} "))]
        return {head[len(name) :].strip("{}"): float(value) for head, _, value in lines if float(value)}

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - handed to the test's thread
            self._error = error
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        await serve(self.settings, self._is_ready, self._stop, "1.2.3")

    def _is_ready(self, addresses: GatewayAddresses) -> None:
        self._found = addresses
        self._ready.set()


def agent(desk_id: str = "desk-1") -> dict[str, str]:
    """Headers with an agent's token."""
    return bearer(desk_id, AGENT)


def chatbot() -> dict[str, str]:
    """Headers with a chatbot's token."""
    return bearer("bot", CHATBOT)


def bearer(subject: str, role: str) -> dict[str, str]:
    """Headers with a token of any role."""
    return {"Authorization": f"Bearer {issue_token(SECRET, subject, role, 86_400, wall_clock_ms() // 1000)}"}
