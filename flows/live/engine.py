"""The live engine: one process from the bus to hints, until it is told to stop.

In: settings; events from Redis or Kafka. Out: hints in Redis; facts and dead letters there or, with hints, on Kafka
topics; metrics on an internal port, snapshots under ``state_dir``. Refused: a snapshot folder of another layout
(``RecoveryMismatch``), a metrics port that is taken (OSError). SIGTERM and SIGINT end it in order: sources stop, the
last epoch is snapshotted, nothing is told that has not happened.
"""

import hashlib
import logging
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from prometheus_client import start_http_server

from config import Settings, load_catalogue
from flows.cluster.member import Member, MemberLost, MemberStopped
from flows.cluster.recovery_folder import Layout
from flows.cluster.rendezvous import Rendezvous
from flows.cluster.stale_snapshots import forget_stale
from flows.dataflow import FlowOptions, journey_flow
from flows.live.model_saver import ModelSaver, Origin, fingerprints
from flows.live.runner import run_dataflow
from flows.live.shard_metrics import ShardWatch
from flows.live.shutdown import Shutdown, stop_on_signals
from flows.live.sinks import DAY_MS, live_sinks
from flows.metrics.engine import EngineMetrics
from flows.metrics.learning import LearningKeepers
from flows.sinks.output_metrics import OutputMetrics
from flows.sources.bus import Backlog, BusSource, Lag
from flows.steps.decide import Learns
from flows.steps.journaled_state import Journals
from operators.learning.interfaces import MODEL_FORMAT
from operators.records.catalogue import Catalogue
from state.bus_factory import EngineBus, engine_bus
from state.redis.connections import StoreUnavailable
from state.redis.retry import retry_while_unavailable
from state.snapshots.model_store import ModelStore, models_folder

LOG: Final = logging.getLogger("zhiyin.engine")


def run_engine(settings: Settings, version: str = "") -> None:
    """Runs until a signal comes, alone or as one process of a set.

    Raises RecoveryMismatch, -InUse, -Unusable, OSError (port), ConfigurationError (catalogue, Kafka's options),
    TopicMismatch, TopicRefused, AddressUnusable, MemberLost, MemberStopped, JournalDamaged, StateUnreadable.
    """
    member = Member(settings.engine_process_id or 0, settings.engine_addresses)
    layout = _layout(settings)
    layout.prepare()
    catalogue = load_catalogue(settings.catalogue, settings.speed, settings.quiet_hours)
    rendezvous = _rendezvous(member, layout, settings, catalogue, version) if member.addresses else None
    metrics = EngineMetrics()
    metrics.build.labels(version).set(1)
    metrics.expect(catalogue.journeys)
    with (
        layout.held(member),
        stop_on_signals(rendezvous) as shutdown,
        metrics_served(settings, metrics),
        _models(settings, catalogue, metrics, version) as models,
    ):
        bus = _bus(settings, metrics)

        def begin() -> None:
            if shutdown.begin():
                LOG.info("engine runs: %s, journeys %d, shards %d", member, len(catalogue.journeys), settings.shards)

        def retry(operation: Callable[[], object]) -> object:
            return retry_while_unavailable(operation, shutdown.is_set, shutdown.wait, LOG)

        live = live_sinks(settings, retry, OutputMetrics(metrics), version, begin)
        backlog = Backlog()
        options = _options(settings, catalogue, metrics, layout, _learns(models, metrics, backlog))
        flow = journey_flow(_source(bus, settings, metrics, shutdown, backlog), catalogue, options, live.sinks)
        with _orderly_end(member, shutdown):
            retry(bus.ready)
            retry(live.ready)
            if rendezvous is None:
                forget_stale(layout.folder)
            else:
                member.check_address()
                LOG.info("engine %s: waits for the others at %s", member, ", ".join(member.others))
                rendezvous.join(lambda: forget_stale(layout.folder), lambda: not shutdown.is_set(), shutdown.wait)
            run_dataflow(flow, settings.workers, settings.epoch_ms, layout, member)
    LOG.info("engine stopped: events %d", metrics.events_read())


def _layout(settings: Settings) -> Layout:
    folder = Path(settings.recovery_dir or Path(settings.state_dir) / "recovery")
    topic = settings.kafka_topic if settings.bus == "kafka" else None
    return Layout(folder, settings.shards, settings.bus_partitions, topic)


def _rendezvous(member: Member, layout: Layout, settings: Settings, catalogue: Catalogue, version: str) -> Rendezvous:
    fingerprint = hashlib.sha256(msgspec.json.encode(catalogue)).hexdigest()[:8]
    running_on = f"{';'.join(member.addresses)}, {settings.workers} workers, version {version}, catalogue {fingerprint}"
    return Rendezvous(member, layout.folder, secrets.token_hex(8), running_on)


@contextmanager
def _orderly_end(member: Member, shutdown: Shutdown) -> Iterator[None]:
    """Whoever was told to stop may end by what stopping brings with it; a set ends together."""
    try:
        yield
    except (StoreUnavailable, MemberLost) as error:
        if not shutdown.is_set():
            raise
        cause = "another process was gone" if isinstance(error, MemberLost) else "its bus or store was away"
        LOG.warning("stopped while %s; the next start goes on from the last snapshot", cause)
    if not shutdown.is_signalled:
        raise MemberStopped(member)


@contextmanager
def metrics_served(settings: Settings, metrics: EngineMetrics) -> Iterator[None]:
    """Prometheus text on the engine's internal port while the block runs. Raises OSError when it is taken."""
    try:
        server, thread = start_http_server(settings.engine_metrics_port, settings.host, metrics.registry)
    except OSError as error:
        message = (
            f"engine metrics: port {settings.engine_metrics_port} on {settings.host} is taken ({error.strerror}); "
            "stop what holds it, or choose another with the setting engine_metrics_port (0: any); "
            "each engine process on a machine needs its own"
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


def _source(
    bus: EngineBus, settings: Settings, metrics: EngineMetrics, shutdown: Shutdown, backlog: Backlog
) -> BusSource:
    def lags(partition: int, lag: Lag) -> None:
        backlog.note(partition, lag)
        metrics.bus_lag.labels(partition).set(lag.seconds)
        if lag.events is not None:
            metrics.bus_lag_events.labels(partition).set(lag.events)

    return BusSource(
        bus.reader,
        settings.bus_partitions,
        shutdown.is_set,
        lags,
        poll_events=settings.poll_events,
        poll_interval_ms=settings.poll_interval_ms,
        tick_ms=settings.tick_ms,
    )


def _models(settings: Settings, catalogue: Catalogue, metrics: EngineMetrics, version: str) -> ModelSaver:
    store = ModelStore(models_folder(settings.state_dir), MODEL_FORMAT, settings.models_kept)
    return ModelSaver(store, Origin(version, fingerprints(catalogue)), settings.models_every_s, metrics.models)


def _learns(models: ModelSaver, metrics: EngineMetrics, backlog: Backlog) -> Learns:
    return Learns(keeper=LearningKeepers((models, metrics.learning)), hurries=backlog.is_long)


def _options(
    settings: Settings, catalogue: Catalogue, metrics: EngineMetrics, layout: Layout, learns: Learns
) -> FlowOptions:
    ahead_ms = settings.max_future_s * 1000
    metrics.learning.expect(catalogue.learning_journeys(checkpoints=catalogue.learning))
    return FlowOptions(
        shards=settings.shards,
        run_out=lambda: False,
        latest_ms=lambda arrived_ms: (arrived_ms if arrived_ms is not None else _now_ms()) + ahead_ms,
        checkpoints=catalogue.learning,
        learns=learns,
        struggles=True,
        duplicate_memory_ms=settings.duplicate_memory_s * 1000,
        clock=_now_ms,
        watch=ShardWatch(metrics),
        journals=Journals(layout.journals, metrics.snapshot_seconds.observe, settings.epoch_ms / 1000),
        watch_uplift=metrics.uplift,
        questions_half_life_ms=settings.questions_half_life_s * 1000,
        keep_policies_ms=round(settings.policies_retention_days * DAY_MS),
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
