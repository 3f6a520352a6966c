"""Three real Kafka nodes on loopback, each broker and controller, that keep three copies of everything.

A node may be killed and started again; what was acknowledged then lies on two others.
"""

import base64
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.kafka.broker import KafkaBroker
from tests.parts.redis_server import free_port

NODES: Final = 3
ANSWER_TIMEOUT_S: Final = 300.0
_COPIES: Final = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "share.coordinator.state.topic.replication.factor": "3",
    # A follower that is away is no longer counted after this; the default is 30 s.
    "replica.lag.time.max.ms": "3000",
    "controller.quorum.election.timeout.ms": "500",
    "controller.quorum.fetch.timeout.ms": "1000",
}


class KafkaNode(KafkaBroker):
    """One of a cluster. ``controllers``: port of each node's controller, by its number from 1."""

    def __init__(
        self, jars: Path, directory: Path, number: int, controllers: Mapping[int, int], cluster_id: str
    ) -> None:
        self.number = number
        self._controllers = controllers
        directory.mkdir(parents=True)
        super().__init__(jars, directory)
        self.cluster_id = cluster_id

    def _own_properties(self, controller_port: int) -> dict[str, str]:
        """With the controller's port that the others know, instead of a free one."""
        plain = super()._own_properties(self._controllers[self.number])
        voters = ",".join(f"{number}@127.0.0.1:{port}" for number, port in self._controllers.items())
        return {**plain, **_COPIES, "node.id": str(self.number), "controller.quorum.voters": voters}


class KafkaCluster:
    """Runs inside its ``with``."""

    def __init__(self, jars: Path, directory: Path) -> None:
        controllers = {number: free_port() for number in range(1, NODES + 1)}
        cluster_id = base64.urlsafe_b64encode(b"zhiyin" + secrets.token_bytes(10)).decode().rstrip("=")
        self.nodes = {
            number: KafkaNode(jars, directory / f"node-{number}", number, controllers, cluster_id)
            for number in controllers
        }

    def __enter__(self) -> Self:
        # One alone would wait for another to agree who leads.
        with ThreadPoolExecutor(NODES) as together:
            list(together.map(KafkaNode.start, self.nodes.values()))
        _until(lambda: len(self._metadata().brokers) == NODES, "all nodes know one another")
        return self

    def __exit__(self, *_: object) -> None:
        with ThreadPoolExecutor(NODES) as together:
            list(together.map(KafkaNode.kill, self.nodes.values()))

    @property
    def servers(self) -> str:
        """The addresses for ``bootstrap.servers``."""
        return ",".join(node.servers for node in self.nodes.values())

    def partitions(self, topic: str) -> list[Any]:
        """Leader and copies of each partition, as a living node knows them; none while there is no topic."""
        try:
            found = self._metadata().topics.get(topic)
        except KafkaException:
            return []
        return [] if found is None else [found.partitions[number] for number in sorted(found.partitions)]

    def leader(self, topic: str, partition: int) -> KafkaNode:
        """The node that leads a partition; waits until there is one that runs."""
        _until(lambda: self._leader(topic, partition) is not None, f"a leader of {topic}, partition {partition}")
        found = self._leader(topic, partition)
        assert found is not None
        return found

    def wait_for_copies(self, topic: str) -> None:
        """Until every node has all of a topic again."""
        _until(lambda: _all_in_sync(self.partitions(topic)), f"{NODES} copies of {topic} in sync")

    def _leader(self, topic: str, partition: int) -> KafkaNode | None:
        found = self.partitions(topic)
        node = self.nodes.get(found[partition].leader) if len(found) > partition else None
        return node if node is not None and node.runs else None

    def _metadata(self) -> Any:  # noqa: ANN401 - confluent_kafka does not export the type's name
        living = ",".join(node.servers for node in self.nodes.values() if node.runs)
        return AdminClient({"bootstrap.servers": living, "log_level": 0}).list_topics(timeout=120)


def _all_in_sync(partitions: Sequence[Any]) -> bool:
    return len(partitions) > 0 and all(len(each.isrs) == NODES for each in partitions)


def _until(condition: Callable[[], bool], what: str) -> None:
    give_up = time.monotonic() + ANSWER_TIMEOUT_S
    while not condition():
        if time.monotonic() > give_up:
            raise RuntimeError(f"after {ANSWER_TIMEOUT_S:.0f} s still not so: {what}")
        time.sleep(0.1)
