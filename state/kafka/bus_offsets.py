"""Where the partitions of a Kafka topic end, and how far the engine has come: asked and committed every so often.

In: which partitions to look after. Out: for each the end it was last seen to have, with the instant at which that was
asked: what was written before is before it. What the engine holds safely is committed to Kafka as the offsets of a
consumer group, so that ordinary tools see the lag; nothing is ever resumed from them.
Refused: nothing; while Kafka is away the ends grow old, which is logged once.

One thread and one request for all partitions of a process, beside the engine: a look at a partition never waits.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, NamedTuple

import confluent_kafka.admin
from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from state.kafka.connection import ANSWER_TIMEOUT_S, KafkaConnection, KafkaUnavailable

LOG: Final = logging.getLogger("zhiyin.kafka")
_OPERATION: Final = "asking where the bus ends"
_admin: Final[Any] = confluent_kafka.admin  # it has more than its stubs export
_LATEST: Final = _admin.OffsetSpec.latest()


class EndOffset(NamedTuple):
    """The offset of the next event to come, as of ``asked_ms`` (epoch ms)."""

    offset: int
    asked_ms: int


class BusOffsets:
    """The ends of the partitions of one topic, asked ``every_s`` seconds while any is watched."""

    def __init__(
        self, connection: KafkaConnection, topic: str, group: str, every_s: float, clock_ms: Callable[[], int]
    ) -> None:
        self._connection = connection
        self._topic = topic
        self._group = group
        self._every_s = every_s
        self._clock_ms = clock_ms
        self._ends: dict[int, EndOffset | None] = {}
        self._held: dict[int, int] = {}
        self._lock = threading.Lock()
        self._idle = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_away = False

    def watch(self, partition: int) -> None:
        """Look after ``partition`` from now on."""
        with self._lock:
            self._ends = {**self._ends, partition: None}
            if self._thread is None or not self._thread.is_alive():
                self._idle.clear()
                self._thread = threading.Thread(target=self._look_after, name="kafka-ends", daemon=True)
                self._thread.start()

    def forget(self, partition: int) -> None:
        """Look after ``partition`` no more; with the last one the thread ends."""
        with self._lock:
            self._ends = {number: end for number, end in self._ends.items() if number != partition}
            if not self._ends:
                self._idle.set()

    def of(self, partition: int) -> EndOffset | None:
        """The last end seen; None: none yet."""
        return self._ends.get(partition)

    def held(self, partition: int, offset: int) -> None:
        """Everything before ``offset`` is held safely; it is committed with the next look."""
        self._held[partition] = offset

    def _look_after(self) -> None:
        admin = self._connection.admin()
        committed: dict[int, int] = {}
        committer = self._new_committer(committed)
        while not self._idle.is_set():
            try:
                if self._is_away:
                    self._learn_leaders(admin)
                self._refresh_ends(admin)
                self._commit(committer, committed)
            except KafkaUnavailable as error:
                self._log_outage(error)
            else:
                self._log_outage(None)
            admin.poll(0)
            committer.poll(0)
            self._idle.wait(self._every_s)

    def _new_committer(self, committed: dict[int, int]) -> Consumer:
        """A consumer of nothing that commits; ``committed`` forgets what was refused.

        Not the admin client: its requests to a group's coordinator end the process, by an assertion, when brokers
        change under them (librdkafka's issue 3663).
        """

        def on_commit(error: KafkaError | None, partitions: list[TopicPartition]) -> None:
            for partition in partitions:
                if error is not None or partition.error is not None:
                    LOG.debug("group %s: offset not told: %s", self._group, error or partition.error)
                    committed.pop(partition.partition, None)

        own: Any = {"group.id": self._group, "enable.auto.commit": False, "on_commit": on_commit}
        return self._connection.consumer({}, own)

    def _learn_leaders(self, admin: AdminClient) -> None:
        """After an outage: an admin client goes on asking the leaders it knows, without a pause, for all its time.

        Raises KafkaUnavailable while nobody answers.
        """
        try:
            admin.list_topics(self._topic, timeout=ANSWER_TIMEOUT_S)
        except KafkaException as error:
            raise self._outage(error) from error

    def _outage(self, error: KafkaException) -> KafkaUnavailable:
        """Whatever it is, asking goes on: the thread must not end."""
        cause = error.args[0]
        return self._connection.outage(_OPERATION, cause) or self._connection.unavailable(
            _OPERATION, "busy", cause.str()
        )

    def _refresh_ends(self, admin: AdminClient) -> None:
        """Takes over the ends that are known, then raises KafkaUnavailable if some are not."""
        wanted = {TopicPartition(self._topic, partition): _LATEST for partition in self._ends}
        asked_ms = self._clock_ms()
        answers = admin.list_offsets(
            wanted, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=ANSWER_TIMEOUT_S
        )
        outages = [self._take_answer(partition.partition, answer, asked_ms) for partition, answer in answers.items()]
        outage = next(filter(None, outages), None)
        if outage is not None:
            raise outage

    def _take_answer(self, partition: int, answer: Future[Any], asked_ms: int) -> KafkaUnavailable | None:
        """Takes over the end that was answered; why not, if it was none."""
        try:
            offset = answer.result().offset
        except KafkaException as error:
            return self._outage(error)
        if offset < 0:  # how librdkafka answers for a broker that does not
            return self._connection.unavailable(_OPERATION, "slow", "no answer")
        self._take(partition, EndOffset(offset, asked_ms))
        return None

    def _take(self, partition: int, end: EndOffset) -> None:
        with self._lock:
            if partition in self._ends:
                self._ends[partition] = end

    def _commit(self, committer: Consumer, committed: dict[int, int]) -> None:
        """Commits what is held beyond ``committed``, without waiting; what fails is committed with the next change."""
        held = dict(self._held)
        changed = [
            TopicPartition(self._topic, partition, offset)
            for partition, offset in held.items()
            if committed.get(partition) != offset
        ]
        if not changed:
            return
        try:
            committer.commit(offsets=changed, asynchronous=True)
        except KafkaException as error:
            LOG.debug("group %s: offsets not told: %s", self._group, error)
        else:
            committed.update(held)

    def _log_outage(self, error: KafkaUnavailable | None) -> None:
        """Once when it begins, once when it is over, nothing when nobody looks any more."""
        if self._idle.is_set():
            return
        if error is not None and not self._is_away:
            LOG.warning("%s; trying on, event time stands still meanwhile", error)
        elif error is None and self._is_away:
            LOG.info("Kafka is back")
        self._is_away = error is not None


def wall_clock_ms() -> int:
    """Now, in epoch ms."""
    return time.time_ns() // 1_000_000
