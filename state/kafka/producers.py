"""Producers that lose nothing and keep their order; one that has broken is replaced.

In: the way to a Kafka. Out: for each thread a producer of its own, so that it receives its own delivery reports.
Refused: options that librdkafka does not take (``ConfigurationError``).
"""

import threading
import time
from typing import Final

from confluent_kafka import KafkaException, Producer

from state.kafka.connection import ANSWER_TIMEOUT_S, KafkaConnection, Options

SERVE_S: Final = 0.05
_DEFAULTS: Final[Options] = {"linger.ms": 5, "message.max.bytes": 8_000_000, "queue.buffering.max.kbytes": 65_536}
_OWN: Final[Options] = {
    "enable.idempotence": True,
    "acks": "all",
    # Never given up: it is we who decide how long to wait.
    "delivery.timeout.ms": 0,
    # After a failure nothing may be delivered that was to come behind it.
    "enable.gapless.guarantee": True,
}


class TopicProducers:
    """The producers of a process: one a thread, so that each receives its own delivery reports."""

    def __init__(self, connection: KafkaConnection) -> None:
        self.connection = connection
        self._mine = threading.local()

    def mine(self) -> "RenewableProducer":
        """That of the calling thread."""
        producer: RenewableProducer | None = getattr(self._mine, "producer", None)
        if producer is None:
            producer = self._mine.producer = RenewableProducer(self.connection)
        return producer


class RenewableProducer:
    """A producer that can be replaced by a new one. ``life``: how often that was done."""

    def __init__(self, connection: KafkaConnection) -> None:
        self.life = 0
        self._connection = connection
        self._one_by_one: Options = {}
        self.producer = self._new()

    def poll_reports(self, wait_s: float) -> bool:
        """Serves delivery reports; False: none came within ``wait_s``."""
        try:
            return self.producer.poll(wait_s) > 0
        except KafkaException:
            # Raised once when the producer breaks; the reports say of which documents.
            return True

    def renew(self, *, one_by_one: bool) -> None:
        """Another one in its place; everything this one still held is reported as failed first."""
        if one_by_one:
            self._one_by_one = {"batch.num.messages": 1}
        self.producer.purge()
        give_up_s = time.monotonic() + ANSWER_TIMEOUT_S
        while len(self.producer) and time.monotonic() < give_up_s:
            self.poll_reports(SERVE_S)
        self.producer = self._new()
        self.life += 1

    def _new(self) -> Producer:
        return self._connection.producer(_DEFAULTS, {**_OWN, **self._one_by_one})
