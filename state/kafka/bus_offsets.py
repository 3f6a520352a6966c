"""Where the partitions of a Kafka topic end, and how far the engine has come: asked and told every so often.

In: which partitions to look after. Out: for each the end it was last seen to have, with the instant at which that was
asked: what was written before is before it. What the engine holds safely is told to Kafka as the offsets of a
consumer group, so that ordinary tools see the lag; nothing is ever resumed from them.
Refused: nothing; while Kafka is away the ends grow old, which is said once.

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
        self._changing = threading.Lock()
        self._nobody = threading.Event()
        self._thread: threading.Thread | None = None
        self._away = False

    def watch(self, partition: int) -> None:
        """Look after ``partition`` from now on."""
        with self._changing:
            self._ends = {**self._ends, partition: None}
            if self._thread is None or not self._thread.is_alive():
                self._nobody.clear()
                self._thread = threading.Thread(target=self._look_after, name="kafka-ends", daemon=True)
                self._thread.start()

    def forget(self, partition: int) -> None:
        """Look after ``partition`` no more; with the last one the thread ends."""
        with self._changing:
            self._ends = {number: end for number, end in self._ends.items() if number != partition}
            if not self._ends:
                self._nobody.set()

    def of(self, partition: int) -> EndOffset | None:
        """The last end seen; None: none yet."""
        return self._ends.get(partition)

    def held(self, partition: int, offset: int) -> None:
        """Everything before ``offset`` is held safely; Kafka is told with the next look."""
        self._held[partition] = offset

    def _look_after(self) -> None:
        admin = self._connection.admin()
        told: dict[int, int] = {}
        teller = self._teller(told)
        while not self._nobody.is_set():
            try:
                if self._away:
                    self._learn_leaders(admin)
                self._ask(admin)
                self._tell(teller, told)
            except KafkaUnavailable as error:
                self._say(error)
            else:
                self._say(None)
            admin.poll(0)
            teller.poll(0)
            self._nobody.wait(self._every_s)

    def _teller(self, told: dict[int, int]) -> Consumer:
        """A consumer of nothing that commits; ``told`` forgets what was refused.

        Not the admin client: its requests to a group's coordinator end the process, by an assertion, when brokers
        change under them (librdkafka's issue 3663).
        """

        def heard(error: KafkaError | None, partitions: list[TopicPartition]) -> None:
            for each in partitions:
                if error is not None or each.error is not None:
                    LOG.debug("group %s: offset not told: %s", self._group, error or each.error)
                    told.pop(each.partition, None)

        own: Any = {"group.id": self._group, "enable.auto.commit": False, "on_commit": heard}
        return self._connection.consumer({}, own)

    def _learn_leaders(self, admin: AdminClient) -> None:
        """After an outage: an admin client goes on asking the leaders it knows, without a pause, for all its time.

        Raises KafkaUnavailable while nobody answers.
        """
        try:
            admin.list_topics(self._topic, timeout=ANSWER_TIMEOUT_S)
        except KafkaException as error:
            raise self._not_now(error) from error

    def _not_now(self, error: KafkaException) -> KafkaUnavailable:
        """Whatever it is, asking goes on: the thread must not end."""
        cause = error.args[0]
        return self._connection.outage(_OPERATION, cause) or self._connection.unavailable(
            _OPERATION, "busy", cause.str()
        )

    def _ask(self, admin: AdminClient) -> None:
        """Takes over the ends that are known, then raises KafkaUnavailable if some are not."""
        wanted = {TopicPartition(self._topic, partition): _LATEST for partition in self._ends}
        asked_ms = self._clock_ms()
        answers = admin.list_offsets(
            wanted, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=ANSWER_TIMEOUT_S
        )
        troubles = [self._trouble_with(partition.partition, answer, asked_ms) for partition, answer in answers.items()]
        trouble = next(filter(None, troubles), None)
        if trouble is not None:
            raise trouble

    def _trouble_with(self, partition: int, answer: Future[Any], asked_ms: int) -> KafkaUnavailable | None:
        """Takes over the end that was answered; why not, if it was none."""
        try:
            offset = answer.result().offset
        except KafkaException as error:
            return self._not_now(error)
        if offset < 0:  # how librdkafka answers for a broker that does not
            return self._connection.unavailable(_OPERATION, "slow", "no answer")
        self._take(partition, EndOffset(offset, asked_ms))
        return None

    def _take(self, partition: int, end: EndOffset) -> None:
        with self._changing:
            if partition in self._ends:
                self._ends[partition] = end

    def _tell(self, teller: Consumer, told: dict[int, int]) -> None:
        """Commits what is held beyond ``told``, without waiting; what fails is told with the next news."""
        held = dict(self._held)
        news = [TopicPartition(self._topic, each, offset) for each, offset in held.items() if told.get(each) != offset]
        if not news:
            return
        try:
            teller.commit(offsets=news, asynchronous=True)
        except KafkaException as error:
            LOG.debug("group %s: offsets not told: %s", self._group, error)
        else:
            told.update(held)

    def _say(self, error: KafkaUnavailable | None) -> None:
        """Once when it begins, once when it is over, nothing when nobody looks any more."""
        if self._nobody.is_set():
            return
        if error is not None and not self._away:
            LOG.warning("%s; trying on, event time stands still meanwhile", error)
        elif error is None and self._away:
            LOG.info("Kafka is back")
        self._away = error is not None


def wall_clock_ms() -> int:
    """Now, in epoch ms."""
    return time.time_ns() // 1_000_000
