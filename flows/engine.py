"""The live engine: one process from the bus to hints, until it is told to stop.

In: settings; events from Redis or Kafka. Out: facts, hints and dead letters in Redis, metrics on an internal port,
snapshots under ``state_dir``. Refused: a snapshot folder of another layout (``RecoveryMismatch``), a metrics
port that is taken (OSError). SIGTERM and SIGINT end it in order: sources stop, the last epoch
is snapshotted, nothing is told that has not happened.
"""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from prometheus_client import start_http_server

from config import Settings, load_catalogue
from flows.bus_source import BusSource, Lag
from flows.dataflow import Rules, journey_flow
from flows.metrics import EngineMetrics
from flows.redis_outlets import RedisOutlets
from flows.remembering import Journals
from flows.running import Layout, run_dataflow
from flows.shard_watch import ShardWatch
from state.buses import EngineBus, engine_bus
from state.connections import StoreUnavailable, connect
from state.dead_letters import RedisDeadLetters
from state.facts import RedisFactStream
from state.hints import RedisHintStore
from state.patience import patiently

LOG: Final = logging.getLogger("zhiyin.engine")
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def run_engine(settings: Settings, version: str = "") -> None:
    """Runs until a signal comes.

    Raises RecoveryMismatch, OSError (port), ConfigurationError (catalogue, Kafka's options), TopicMismatch,
    TopicRefused.
    """
    topic = settings.kafka_topic if settings.bus == "kafka" else None
    layout = Layout(Path(settings.state_dir) / "recovery", settings.shards, settings.bus_partitions, topic)
    layout.check()
    catalogue = load_catalogue(settings.catalogue, settings.speed, settings.quiet_hours)
    metrics = EngineMetrics()
    metrics.build.labels(version).set(1)
    with stop_on_signals() as stopping, metrics_served(settings, metrics):
        bus = _bus(settings, metrics)
        flow = journey_flow(
            _source(bus, settings, metrics, stopping),
            catalogue,
            _rules(settings, metrics, layout),
            _outlets(settings, metrics, stopping, version).outlets(),
        )
        LOG.info("engine runs: journeys %d, shards %d", len(catalogue.journeys), settings.shards)
        try:
            patiently(bus.ready, stopping.is_set, stopping.wait, LOG)
            run_dataflow(flow, settings.workers, settings.epoch_ms, layout)
        except Exception as error:
            if not (stopping.is_set() and _away(error)):
                raise
            LOG.warning("stopped while its bus or store was away; the next start goes on from the last snapshot")
    LOG.info("engine stopped")


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM or SIGINT sets. A thread waits for them: the main one is inside the engine."""
    stopping = threading.Event()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)

    def wait() -> None:
        signal.sigwait(_SIGNALS)
        stopping.set()

    threading.Thread(target=wait, name="signals", daemon=True).start()
    try:
        yield stopping
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def metrics_served(settings: Settings, metrics: EngineMetrics) -> Iterator[None]:
    """Prometheus text on the engine's internal port while the block runs. Raises OSError when it is taken."""
    try:
        server, thread = start_http_server(settings.engine_metrics_port, settings.host, metrics.registry)
    except OSError as error:
        message = (
            f"engine metrics: port {settings.engine_metrics_port} on {settings.host} is taken ({error.strerror}); "
            "stop what holds it, or choose another with the setting engine_metrics_port (0: any)"
        )
        raise OSError(error.errno, message) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _bus(settings: Settings, metrics: EngineMetrics) -> EngineBus:
    for partition in range(settings.bus_partitions):
        metrics.bus_lost.labels(partition)
    return engine_bus(settings, lambda partition, count: metrics.bus_lost.labels(partition).inc(count))


def _source(bus: EngineBus, settings: Settings, metrics: EngineMetrics, stopping: threading.Event) -> BusSource:
    def lags(partition: int, lag: Lag) -> None:
        metrics.bus_lag.labels(partition).set(lag.seconds)
        if lag.events is not None:
            metrics.bus_lag_events.labels(partition).set(lag.events)

    return BusSource(
        bus.reader,
        settings.bus_partitions,
        stopping.is_set,
        lags,
        poll_events=settings.poll_events,
        poll_interval_ms=settings.poll_interval_ms,
        tick_ms=settings.tick_ms,
    )


def _rules(settings: Settings, metrics: EngineMetrics, layout: Layout) -> Rules:
    ahead_ms = settings.max_future_s * 1000
    return Rules(
        shards=settings.shards,
        run_out=lambda: False,
        latest_ms=lambda arrived_ms: (arrived_ms if arrived_ms is not None else _now_ms()) + ahead_ms,
        checkpoints=False,
        struggles=True,
        duplicate_memory_ms=settings.duplicate_memory_s * 1000,
        clock=_now_ms,
        watch=ShardWatch(metrics),
        journals=Journals(layout.journals, metrics.snapshot_seconds.observe),
    )


def _outlets(settings: Settings, metrics: EngineMetrics, stopping: threading.Event, version: str) -> RedisOutlets:
    def stores() -> tuple[RedisFactStream, RedisHintStore, RedisDeadLetters]:
        client = connect(settings.redis_url or "")
        return RedisFactStream(client), RedisHintStore(client, _now_ms), RedisDeadLetters(client, version)

    def insist(operation: Callable[[], object]) -> object:
        return patiently(operation, stopping.is_set, stopping.wait, LOG)

    return RedisOutlets(stores, settings.desks, insist, metrics)


def _away(error: BaseException | None) -> bool:
    """Whether a store being away is what ended the run: the engine wraps what its callbacks raise."""
    while error is not None:
        if isinstance(error, StoreUnavailable):
            return True
        error = error.__cause__
    return False


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
