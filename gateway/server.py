"""The gateway put together: collector, API, pages, push and metrics in one asyncio loop.

In: settings. Out: a process that serves until it is told to stop. Refused, in one clear
line each: settings that lack what the gateway needs, an address that is taken.

Started in this order: metrics, the way to Kafka if that is the bus, push (websockets), chatbot hook, HTTP;
then it says that it is ready. Stopped the other way round: HTTP takes no more and finishes what it has, the
hook stops, desks are closed with 1012, then Kafka, the connections to Redis, the metrics. Redis and Kafka may
be away at any time: /ready says so, the collector answers 503, desks are told.
"""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from typing import Final

import msgspec
import uvicorn
from prometheus_client import start_http_server
from starlette.types import ASGIApp

from config import ConfigurationError, Problem
from config.settings.load import Settings, variable_of
from config.settings.mask_key import mask_key
from config.settings.write_key_scopes import read_scope
from gateway.api.contacts import ContactApi
from gateway.api.health import Health, Probe
from gateway.api.hints import HintApi
from gateway.api.journeys import JourneyApi
from gateway.api.outreach import OutreachApi
from gateway.api.questions import QuestionApi
from gateway.api.queues import QueueApi
from gateway.auth.bearer import Bearers
from gateway.auth.jwks import KeySet, KeySetUnusable
from gateway.auth.tokens import SECRET_BYTES, TokenReader
from gateway.http.app import build_app
from gateway.http.rate_limit import Rates
from gateway.ingest.bus_batcher import BusBatcher
from gateway.ingest.collector import COLLECTOR_PATHS, Collector, wall_clock_ms
from gateway.ingest.write_keys import WriteKeys
from gateway.openapi.document import openapi_route
from gateway.pages.browser_sdk import BrowserSdk
from gateway.pages.plotly import plotly_route
from gateway.pages.site import Site
from gateway.push.presence_heartbeat import PresenceHeartbeat
from gateway.push.prometheus_meter import CountedFeedback, PrometheusMeter
from gateway.push.server import PushServer
from gateway.runtime.gc_tuning import quieten_garbage_collection
from gateway.runtime.metrics import GatewayMetrics
from gateway.runtime.retention_task import Retention
from gateway.services.audit import Auditor
from gateway.services.outreach_claims import OutreachClaims
from state.audit.trail import AuditTrail
from state.bus.protocol import BusWriter
from state.bus_factory import gateway_bus
from state.contacts.bundles import RedisBundleRepository
from state.contacts.handover import HintHandover
from state.contacts.presence import Presence
from state.contacts.questions import RedisQuestionRepository
from state.hints.repository import RedisHintRepository
from state.kafka.bus_writer import KafkaBusWriter
from state.monitoring.journey_maps import JourneyMaps
from state.monitoring.pain_points import PainPoints
from state.outreach.claims import OutreachRepository
from state.redis.connections import WAIT_TIMEOUT_S, AsyncClient, connect_async

DRAIN_S: Final = 5
KEEP_ALIVE_S: Final = 30
BACKLOG: Final = 2_048

log = logging.getLogger("zhiyin.gateway")


class GatewayAddresses(msgspec.Struct, frozen=True):
    """Where a running gateway is: URLs."""

    http: str
    ws: str
    metrics: str


class CannotListen(Exception):
    """An address cannot be had. ``setting``: the one that names the port; ``reason``: what the system said."""

    def __init__(self, setting: str, host: str, port: int, reason: str) -> None:
        self.setting = setting
        self.host = host
        self.port = port
        self.reason = reason
        super().__init__(
            f"{setting}: found port {port} on {host} not to be had ({reason}), expected a free one: "
            f"stop what listens there, or set {variable_of(setting)} to another port (0: any free one)"
        )


class _Uvicorn(uvicorn.Server):
    """Signals are the composition root's matter, not uvicorn's."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_serving = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn.Server."""
        await super().startup(sockets)
        self.is_serving.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Gateway:
    """One gateway: ``start`` it, ``stop`` it, once."""

    def __init__(self, settings: Settings, version: str = "unknown") -> None:
        check_settings(settings)
        self.metrics = GatewayMetrics()
        self.metrics.build.labels(version).set(1)
        self._settings = settings
        self._open = AsyncExitStack()

    async def start(self) -> GatewayAddresses:
        """Serve from now on. Raises CannotListen; then nothing is left running."""
        try:
            return await self._started()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop everything, last started first; takes less than 10 s."""
        await self._open.aclose()

    async def _started(self) -> GatewayAddresses:
        settings, redis_url = self._settings, self._settings.redis_url or ""
        metrics_port = self._start_metrics()
        client, waiting = connect_async(redis_url), connect_async(redis_url, WAIT_TIMEOUT_S)
        self._open.push_async_callback(client.aclose)
        self._open.push_async_callback(waiting.aclose)
        repository = RedisHintRepository(client, waiting)
        writer, kafka_pings = await self._start_bus(client)
        batcher = BusBatcher(writer)
        feedback = CountedFeedback(repository, batcher, wall_clock_ms, self.metrics)
        reader = await self._start_reader()
        auditor = self._start_auditor(client)
        counts = PrometheusMeter(self.metrics, wall_clock_ms)
        push = PushServer(settings, repository, feedback, counts, reader=reader, seen=auditor.pushed)
        await self._start_push(push)
        await self._start_hook(push, repository)
        presence, handover = Presence(client), HintHandover(client, settings.away_after_s * 1000)
        failed = self.metrics.background_failed
        await self._start_beats(PresenceHeartbeat(presence, handover, push.desks_on_line, wall_clock_ms, failed))
        bearers = Bearers(reader, wall_clock_ms, Rates(settings.token_requests_per_s, time.monotonic))
        collector = self._collector(batcher)
        routes = [
            *collector.routes(),
            *HintApi(repository, feedback, bearers, wall_clock_ms, auditor, self.metrics).routes(),
            *QueueApi(repository, presence, handover, bearers, wall_clock_ms, auditor, self.metrics).routes(),
            *ContactApi(RedisBundleRepository(client), bearers, wall_clock_ms, auditor, self.metrics).routes(),
            *QuestionApi(
                RedisQuestionRepository(client),
                RedisBundleRepository(client),
                repository,
                batcher,
                bearers,
                wall_clock_ms,
                self.metrics,
            ).routes(),
            *self._outreach(OutreachRepository(client), batcher, bearers, auditor).routes(),
            *JourneyApi(JourneyMaps(client), PainPoints(client), batcher, bearers, wall_clock_ms).routes(),
            *Health({"redis": client.ping, **kafka_pings}).routes(),
            openapi_route(),
            plotly_route(),
            *BrowserSdk(settings.write_keys[0] if settings.demo_page else None).routes(),
            *Site(lambda: push.port).routes(),
        ]
        http_port = await self._start_http(build_app(routes, COLLECTOR_PATHS, settings, self.metrics))
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        return GatewayAddresses(
            f"http://{host}:{http_port}", f"ws://{host}:{push.port}", f"http://{host}:{metrics_port}/metrics"
        )

    def _collector(self, batcher: BusBatcher) -> Collector:
        settings = self._settings
        scopes = [read_scope(line) for line in settings.write_key_scopes]
        return Collector(
            batcher,
            WriteKeys(settings.write_keys, scopes, Rates(settings.write_key_events_per_s, time.monotonic)),
            self.metrics,
            settings.max_future_s * 1000,
            keeps_all=settings.keep_properties == "all",
        )

    def _start_auditor(self, client: AsyncClient) -> Auditor:
        trail, failed = AuditTrail(client, mask_key(self._settings)), self.metrics.background_failed
        auditor = Auditor(trail, wall_clock_ms, self.metrics.audit_lost.inc, failed)
        auditor.start()
        self._open.push_async_callback(auditor.stop)
        retention = Retention(client, self._settings, wall_clock_ms, failed)
        retention.start()
        self._open.push_async_callback(retention.stop)
        return auditor

    async def _start_reader(self) -> TokenReader:
        settings, keys = self._settings, None
        if settings.token_keys is not None:
            keys = KeySet(settings.token_keys, time.monotonic, self.metrics.background_failed)
            await keys.start()
            self._open.push_async_callback(keys.stop)
        return TokenReader(settings.token_secret, keys, settings.token_issuer, settings.token_audience)

    def _outreach(
        self, repository: OutreachRepository, batcher: BusBatcher, bearers: Bearers, auditor: Auditor
    ) -> OutreachApi:
        calls = OutreachClaims(repository, batcher, wall_clock_ms)
        return OutreachApi(repository, calls, bearers, wall_clock_ms, auditor, self.metrics)

    async def _start_bus(self, client: AsyncClient) -> tuple[BusWriter, dict[str, Probe]]:
        """The writer, and what to ask besides Redis."""
        writer = gateway_bus(self._settings, client)
        if not isinstance(writer, KafkaBusWriter):
            return writer, {}
        await writer.open()
        self._open.push_async_callback(writer.close)
        return writer, {"kafka": writer.ping}

    def _start_metrics(self) -> int:
        host, port = self._settings.host, self._settings.gateway_metrics_port
        with _listening("gateway_metrics_port", host, port):
            server, thread = start_http_server(port, host, self.metrics.registry)

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        self._open.push_async_callback(asyncio.to_thread, stop)
        return int(server.server_port)

    async def _start_push(self, push: PushServer) -> None:
        host, port = self._settings.host, self._settings.ws_port
        with _listening("ws_port", host, port):
            await push.start(host, port)
        self._open.push_async_callback(push.stop)

    async def _start_beats(self, heartbeat: PresenceHeartbeat) -> None:
        heartbeat.start()
        self._open.push_async_callback(heartbeat.stop)

    async def _start_hook(self, push: PushServer, repository: RedisHintRepository) -> None:
        url = self._settings.chatbot_hook_url
        if url is not None:
            from gateway.push.chatbot_webhook import (
                ChatbotWebhook,  # with all of an HTTP client, which few set-ups need
            )

            hook = ChatbotWebhook(url, push.hub, repository, self.metrics)
            await hook.start()
            self._open.push_async_callback(hook.stop)

    async def _start_http(self, app: ASGIApp) -> int:
        host, port = self._settings.host, self._settings.http_port
        with _listening("http_port", host, port):
            listener = listening_socket(host, port)
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            ws="none",
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=DRAIN_S,
        )
        server = _Uvicorn(config)
        serving = asyncio.create_task(server.serve([listener]), name="http")
        await server.is_serving.wait()

        async def stop() -> None:
            server.should_exit = True
            await serving

        self._open.push_async_callback(stop)
        return int(listener.getsockname()[1])


async def serve(
    settings: Settings,
    ready: Callable[[GatewayAddresses], None] | None = None,
    stop: asyncio.Event | None = None,
    version: str = "unknown",
) -> None:
    """Run a gateway until ``stop`` is set (None: until this task is cancelled).

    ``ready`` is called once, when everything is served; ``version`` is for the metrics.
    Raises CannotListen, ConfigurationError.
    """
    gateway = Gateway(settings, version)
    addresses = await gateway.start()
    try:
        log.info("gateway: http %s, websocket %s, metrics %s", addresses.http, addresses.ws, addresses.metrics)
        if ready is not None:
            ready(addresses)
        await (stop or asyncio.Event()).wait()
    finally:
        await gateway.stop()
        log.info("gateway: stopped")


def run_gateway(
    settings: Settings, ready: Callable[[GatewayAddresses], None] | None = None, version: str = "unknown"
) -> int:
    """Run a gateway until SIGTERM or SIGINT; the process's exit code.

    What cannot be had (a port, a setting) is one clear line on standard error, and 1.
    """
    quieten_garbage_collection()
    try:
        asyncio.run(_until_signalled(settings, ready, version))
    except (CannotListen, ConfigurationError, KeySetUnusable) as error:
        sys.stderr.write(f"gateway: {error}\n")
        return 1
    return 0


async def _until_signalled(settings: Settings, ready: Callable[[GatewayAddresses], None] | None, version: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(settings, ready, stop, version)


def check_settings(settings: Settings) -> None:
    """Raises ConfigurationError with everything a gateway needs and these settings lack."""
    problems = []
    if settings.redis_url is None:
        problems.append(_lacking("redis_url", "none", "redis://HOST:PORT/DB, or `zhiyin up`, which starts one"))
    if not settings.write_keys:
        problems.append(_lacking("write_keys", "none", "at least one key for senders of events"))
    secret_bytes = len(settings.token_secret.encode())
    if secret_bytes < SECRET_BYTES and (secret_bytes or settings.token_keys is None):
        problems.append(_lacking("token_secret", f"{secret_bytes} bytes", f"at least {SECRET_BYTES} random bytes"))
    if problems:
        raise ConfigurationError(problems)


def _lacking(setting: str, found: str, expected: str) -> Problem:
    return Problem("settings", None, variable_of(setting), found, expected)


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens on ``host``; port 0 takes a free one. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


@contextlib.contextmanager
def _listening(setting: str, host: str, port: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotListen(setting, host, port, error.strerror or str(error)) from error
