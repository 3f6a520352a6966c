"""What a peer finds around it: for one that reads from Kafka, a real broker of its own.

In: a ``Peer``. Out: variables for its environment. Refused: a machine without Java, Maven or the broker's jars
(``PeerSkipped``).
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.peers.environments import Peer, PeerSkipped
from bench.peers.session_job import SERVERS
from tests.kafka.broker import KafkaBroker
from tests.kafka.jars import JarsNotFetched, broker_jars
from tests.parts.machine import PARTS


@contextmanager
def surroundings(peer: Peer) -> Iterator[Mapping[str, str]]:
    """What is there inside the ``with``. Raises PeerSkipped."""
    if not peer.reads_kafka:
        yield {}
        return
    reason = PARTS["kafka"]()
    if reason is not None:
        raise PeerSkipped(peer.says, f"it needs a broker: {reason}")
    try:
        jars = broker_jars()
    except JarsNotFetched as error:
        raise PeerSkipped(peer.says, f"it needs a broker: {error}") from error
    with tempfile.TemporaryDirectory(prefix="zhiyin-peers-kafka-") as folder, KafkaBroker(jars, Path(folder)) as broker:
        yield {SERVERS: broker.servers}
