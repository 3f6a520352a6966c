"""A second Kafka node, a broker and nothing else, that joins another's cluster when it is started."""

from pathlib import Path

from tests.kafka.broker import KafkaBroker


class JoiningBroker(KafkaBroker):
    """Brings a second place for copies to ``first``, once ``start()`` is called."""

    def __init__(self, jars: Path, directory: Path, first: KafkaBroker) -> None:
        self._controller_port = first.controller_port
        directory.mkdir(parents=True)
        super().__init__(jars, directory)
        self.cluster_id = first.cluster_id

    def _own_properties(self, controller_port: int) -> dict[str, str]:
        plain = super()._own_properties(controller_port)
        return {
            **plain,
            "process.roles": "broker",
            "node.id": "2",
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "listeners": plain["advertised.listeners"],
        }
