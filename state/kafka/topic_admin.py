"""The topics Zhiyin needs: there, and with the partitions it counts on.

In: which topics, of how many partitions. Out: they are there, made if need be. Refused: a topic of another number of
partitions (``TopicMismatch``: customers would change places), one that can't be made (``TopicRefused``); and
everything while Kafka is away, or has fewer brokers than a new topic wants copies (``KafkaUnavailable``), to be asked
again later.
"""

import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
from confluent_kafka import KafkaException
from confluent_kafka.cimpl import NewTopic

from state.kafka.connection import ANSWER_TIMEOUT_S, KafkaConnection, kind_of

_NO_LEADER: Final = -1
ClusterMetadata = Any
"""confluent_kafka's, which it does not export: ``brokers``, and ``topics`` with ``partitions`` with ``leader``."""


class WantedTopic(msgspec.Struct, frozen=True):
    """A topic as it should be; ``exact``: whether one that is there already must have just these partitions.

    ``setting``: what names it; ``kept_ms``: how long one that is made here keeps messages (None: the broker's rule).
    """

    name: str
    partitions: int
    replication: int
    exact: bool = True
    setting: str = "kafka_topic"
    kept_ms: int | None = None

    def new(self) -> NewTopic:
        """As it is made."""
        if self.kept_ms is None:
            return NewTopic(self.name, self.partitions, self.replication)
        return NewTopic(self.name, self.partitions, self.replication, config={"retention.ms": str(self.kept_ms)})


class TopicMismatch(Exception):
    """A topic has another number of partitions than is counted on. ``found``, ``expected``: how many."""

    def __init__(self, topic: str, found: int, expected: int, setting: str = "kafka_topic") -> None:
        self.topic = topic
        self.found = found
        self.expected = expected
        super().__init__(
            f"Kafka topic {topic}: found {found} partitions, expected {expected}; set bus_partitions to {found} "
            f"(and move the engine's snapshots away), or name another topic with {setting}"
        )


class TopicRefused(Exception):
    """A topic can't be made. ``reason``: what Kafka said."""

    def __init__(self, topic: str, reason: str) -> None:
        self.topic = topic
        self.reason = reason
        super().__init__(
            f"Kafka topic {topic}: found it missing and not to be made ({reason}), expected it there; "
            "make it yourself, with bus_partitions partitions, or see the broker's log"
        )


_STUCK_AFTER_S: Final = 5.0


class Survey(NamedTuple):
    """What a Kafka has: how many brokers, and the partitions of those of the wanted topics that are there."""

    brokers: int
    topics: dict[str, int]


class KafkaTopics:
    """The wanted topics of one Kafka. Each question is answered in ``answer_s``, or Kafka is away."""

    def __init__(
        self, connection: KafkaConnection, wanted: Sequence[WantedTopic], answer_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        self._connection = connection
        self._wanted = wanted
        self._answer_s = answer_s
        self._admin = connection.admin()
        self._failing_since_s: float | None = None

    def ensure(self) -> dict[str, int]:
        """Each topic's partitions, all there and led; those that are missing are made.

        Raises KafkaUnavailable, TopicMismatch, TopicRefused.
        """
        leaders = self._leaders()
        missing = [topic for topic in self._wanted if topic.name not in leaders]
        if missing:
            self._make(missing)
            leaders = self._leaders()
        return {topic.name: self._checked(topic, leaders.get(topic.name)) for topic in self._wanted}

    def survey(self) -> Survey:
        """What is there, whatever it should be. Raises KafkaUnavailable."""
        cluster = self._cluster()
        return Survey(len(cluster.brokers), {name: len(leaders) for name, leaders in self._leaders_in(cluster).items()})

    def _leaders(self) -> dict[str, dict[int, int]]:
        """The leader of each partition of those that are there."""
        return self._leaders_in(self._cluster())

    def _cluster(self) -> ClusterMetadata:
        with self._connection.answering("asking for topics"):
            try:
                # All topics: a client that asks for one by its name may have the broker make it, of any size.
                cluster = self._admin.list_topics(timeout=self._answer_s)
            except KafkaException:
                self._take_another_if_stuck()
                raise
            finally:
                self._admin.poll(0)  # brings what librdkafka has to say
        self._failing_since_s = None
        return cluster

    def _take_another_if_stuck(self) -> None:
        """A client that met a broker that hung may get no answer ever after, when others do."""
        now_s = time.monotonic()
        if self._failing_since_s is None:
            self._failing_since_s = now_s
        elif now_s - self._failing_since_s > _STUCK_AFTER_S:
            self._admin, self._failing_since_s = self._connection.admin(), now_s

    def _leaders_in(self, cluster: ClusterMetadata) -> dict[str, dict[int, int]]:
        names = {topic.name for topic in self._wanted}
        return {
            name: {number: partition.leader for number, partition in topic.partitions.items()}
            for name, topic in cluster.topics.items()
            if name in names and topic.partitions
        }

    def _make(self, missing: Sequence[WantedTopic]) -> None:
        new_topics = [topic.new() for topic in missing]
        for name, future in self._admin.create_topics(new_topics, request_timeout=self._answer_s).items():
            with self._connection.answering(f"making topic {name}"):
                try:
                    future.result()
                except KafkaException as error:
                    if error.args[0].name() == "TOPIC_ALREADY_EXISTS":
                        continue
                    if kind_of(error.args[0]) is None:
                        raise TopicRefused(name, error.args[0].str()) from error
                    raise

    def _checked(self, wanted: WantedTopic, leaders: dict[int, int] | None) -> int:
        if leaders is None:
            raise self._connection.unavailable("asking for topics", "incomplete", f"no topic {wanted.name} yet")
        if wanted.exact and len(leaders) != wanted.partitions:
            raise TopicMismatch(wanted.name, len(leaders), wanted.partitions, wanted.setting)
        leaderless = ", ".join(str(number) for number, leader in sorted(leaders.items()) if leader == _NO_LEADER)
        if leaderless:
            reason = f"topic {wanted.name}, partitions {leaderless}"
            raise self._connection.unavailable("asking for topics", "leaderless", reason)
        return len(leaders)
