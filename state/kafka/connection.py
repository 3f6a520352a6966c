"""The way to Kafka: clients with options and timeouts of ours, and one error for "not now".

In: servers, and options as the settings have them (``name=value``), which go to librdkafka as they are. Out:
producers, consumers, admin clients. Refused: options that librdkafka does not take (``ConfigurationError``, without
their values); what Kafka can't do now is ``KafkaUnavailable``, with why and what to do. Errors that no waiting
cures pass as they are (``KafkaException``).

librdkafka connects again by itself, for ever. What it writes on the way is logged as debug; an outage is logged once,
by whoever waits for its end.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Final, TypeVar

import confluent_kafka
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from config import ConfigurationError, Problem
from config.settings.load import variable_of
from state.bus.protocol import BusUnavailable

LOG: Final = logging.getLogger("zhiyin.kafka")
ANSWER_TIMEOUT_S: Final = 1.5
Options = dict[str, str | int | float | bool]
Made = TypeVar("Made")

_RECENT_S: Final = 10.0
_DEFAULTS: Final[Mapping[str, str | int]] = {
    "client.id": "zhiyin",
    # Known servers are tried again every second; the other strategy tries twenty times a second while all are away.
    "metadata.recovery.strategy": "none",
    "reconnect.backoff.max.ms": 1_000,
    "socket.connection.setup.timeout.ms": 5_000,
}
_ADVICE: Final = {
    "gone": "see that it runs and that kafka_servers names it",
    "slow": "look at its load and its log",
    "refused": "look at kafka_options (TLS, SASL) and at its access lists",
    "leaderless": "see that the brokers that hold the topic run",
    "short_of_replicas": "see that the brokers that hold copies of the topic run",
    "short_of_brokers": "start the other brokers, or set kafka_replication to what there is",
    "incomplete": "see that the topic is there, with bus_partitions partitions",
    "busy": "see its log if it stays so",
}
_NAMES: Final = {
    "gone": ("_TRANSPORT", "_ALL_BROKERS_DOWN", "_RESOLVE", "_NOENT", "BROKER_NOT_AVAILABLE"),
    "slow": ("_TIMED_OUT", "_TIMED_OUT_QUEUE", "_MSG_TIMED_OUT", "REQUEST_TIMED_OUT"),
    "refused": (
        *("_AUTHENTICATION", "_SSL", "SASL_AUTHENTICATION_FAILED", "UNSUPPORTED_SASL_MECHANISM"),
        *("TOPIC_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED"),
    ),
    "leaderless": (
        *("LEADER_NOT_AVAILABLE", "NOT_LEADER_FOR_PARTITION", "FENCED_LEADER_EPOCH", "UNKNOWN_LEADER_EPOCH"),
    ),
    "short_of_replicas": ("NOT_ENOUGH_REPLICAS", "NOT_ENOUGH_REPLICAS_AFTER_APPEND"),
    "short_of_brokers": ("INVALID_REPLICATION_FACTOR",),
    "incomplete": ("UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC", "_UNKNOWN_PARTITION"),
}
_KINDS: Final = {name: kind for kind, names in _NAMES.items() for name in names}
_HOPELESS: Final = frozenset(
    {
        *("_BAD_MSG", "_INVALID_ARG", "_INVALID_TYPE", "_NOT_IMPLEMENTED", "_UNSUPPORTED_FEATURE"),
        *("INVALID_MSG", "INVALID_MSG_SIZE", "INVALID_RECORD", "MSG_SIZE_TOO_LARGE", "RECORD_LIST_TOO_LARGE"),
        *("INVALID_CONFIG", "INVALID_PARTITIONS", "INVALID_REQUEST", "POLICY_VIOLATION"),
        *("INVALID_TIMESTAMP", "TOPIC_ALREADY_EXISTS", "TOPIC_EXCEPTION", "UNSUPPORTED_VERSION"),
    }
)
"""Errors that come again however long one waits; every other passes, ``busy`` at the least."""

_TLS_ALERT: Final = "SSL routines"
"""In the text of an error that ends a connection: the other side said why, in TLS's own words."""

_HUNG_UP: Final = "in state APIVERSION_QUERY"
_SILENCES: Final = frozenset({"gone", "slow"})
"""Kinds that only say that no answer came; why not, librdkafka may have reported before."""


class KafkaUnavailable(BusUnavailable):
    """Kafka can't do this now.

    Kinds: ``gone slow refused leaderless short_of_replicas short_of_brokers incomplete busy``.
    """

    store: ClassVar[str] = "Kafka"


class KafkaConnection:
    """How to reach one Kafka; makes clients that connect by themselves. Never shows its options."""

    def __init__(self, servers: Sequence[str], options: Sequence[str] = ()) -> None:
        self.address = ",".join(servers)
        self._options: Mapping[str, str] = dict(option.split("=", 1) for option in options)
        self._last_error: tuple[float, KafkaError] | None = None
        self._hung_up_s: float | None = None
        self._log = _DebugLogger(self._on_log_line)

    def producer(self, defaults: Options, own: Options) -> Producer:
        """A producer; ``defaults`` may be changed by the settings' options, ``own`` may not."""
        return self._new_client(
            lambda: Producer({**self._config(defaults, own), "error_cb": self._on_error}, logger=self._log)
        )

    def consumer(self, defaults: Options, own: Options) -> Consumer:
        """A consumer, likewise."""
        return self._new_client(
            lambda: Consumer({**self._config(defaults, own), "error_cb": self._on_error}, logger=self._log)
        )

    def admin(self) -> AdminClient:
        """An admin client; its ``poll`` must be called now and then."""
        config: Any = {**self._config({}, {}), "error_cb": self._on_error}
        return self._new_client(lambda: AdminClient(config, logger=self._log))

    @contextmanager
    def answering(self, operation: str) -> Iterator[None]:
        """Inside, an answer that Kafka can't give now is ``KafkaUnavailable``; every other error passes."""
        try:
            yield
        except KafkaException as error:
            outage = self.outage(operation, error.args[0])
            if outage is None:
                raise
            raise outage from error

    def outage(self, operation: str, error: KafkaError) -> KafkaUnavailable | None:
        """``error`` in our words; None: waiting won't help."""
        kind = kind_of(error)
        if kind is None:
            return None
        reason = error.str()
        last_error = self._recent_error()
        if kind in _SILENCES and last_error is not None:
            kind, reason = kind_of(last_error) or kind, last_error.str()
        elif kind in _SILENCES and self._hung_up_s is not None and _is_recent(self._hung_up_s):
            reason = f"{reason}; it hung up on the first request, as one that speaks TLS does when kafka_options do not"
        return self.unavailable(operation, kind, reason)

    def unavailable(self, operation: str, kind: str, reason: str) -> KafkaUnavailable:
        """The error for an outage of one of the kinds of ``KafkaUnavailable``."""
        return KafkaUnavailable(operation, self.address, kind, reason, _ADVICE[kind])

    def _config(self, defaults: Options, own: Options) -> Options:
        return {**_DEFAULTS, **defaults, **self._options, **own, "bootstrap.servers": self.address}

    def _new_client(self, make: Callable[[], Made]) -> Made:
        try:
            return make()
        except KafkaException as error:
            reason = error.args[0].str() if isinstance(error.args[0], KafkaError) else str(error)
            for value in sorted(filter(None, self._options.values()), key=len, reverse=True):
                reason = reason.replace(value, "...")
            expected = "options and values that librdkafka takes"
            raise ConfigurationError(
                [Problem("settings", None, variable_of("kafka_options"), reason, expected)]
            ) from None

    def _on_error(self, error: KafkaError) -> None:
        if error.name() != "_ALL_BROKERS_DOWN":
            self._last_error = time.monotonic(), error

    def _recent_error(self) -> KafkaError | None:
        return self._last_error[1] if self._last_error is not None and _is_recent(self._last_error[0]) else None

    def _on_log_line(self, line: str) -> None:
        """A listener that speaks TLS to who does not is no error for librdkafka: it only logs the end."""
        if _HUNG_UP in line and "SSL" not in self._options.get("security.protocol", "").upper():
            self._hung_up_s = time.monotonic()


def _is_recent(at_s: float) -> bool:
    return time.monotonic() - at_s <= _RECENT_S


def kind_of(error: KafkaError) -> str | None:
    """Why Kafka can't do it now, as one of the kinds of ``KafkaUnavailable``; None: waiting won't help."""
    if error.name() == "_TRANSPORT" and _TLS_ALERT in error.str():
        return "refused"
    return _KINDS.get(error.name()) or (None if error.name() in _HOPELESS and not error.fatal() else "busy")


class _DebugLogger:
    """Takes what librdkafka logs: it repeats itself while a server is away. ``on_line`` receives each line."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_log_line = on_line

    def log(self, _level: int, message: str, *arguments: object) -> None:
        """As ``logging.Logger.log``."""
        LOG.debug(message, *arguments)
        self._on_log_line(message % arguments if arguments else message)


def client_version() -> str:
    """Which librdkafka speaks to Kafka here."""
    return f"librdkafka {confluent_kafka.libversion()[0]}"
