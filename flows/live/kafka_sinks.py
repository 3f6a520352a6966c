"""Facts, hints and dead letters on their way to Kafka topics; hints go to desks and bots by Redis first.

All three topics have the partitions of the bus: a customer is on the same partition of each.
"""

from collections.abc import Callable, Iterator, Sequence

import msgspec

from flows.dataflow import Sinks
from flows.live.redis_sinks import HintDelivery
from flows.sinks.output_metrics import PUBLISHED, OutputMetrics
from flows.sinks.topic_sink import TopicEncoder, TopicOpening, TopicSink, by_partition
from operators.hints.arbitration import Verdict
from operators.hints.hint import Hint, Retirement
from operators.records.dead_letters import DeadLetter
from operators.records.facts import Fact
from state.facts.stream import PublicItem
from state.facts.topic_documents import CLOUD_EVENT, LETTER, letter_document, public_document
from state.kafka.idempotent_topic import TopicDocument


class Topics(msgspec.Struct, frozen=True):
    """The topics by what they are for."""

    facts: str
    hints: str
    dead_letters: str


class KafkaSinks:
    """The three ways out. ``desks()`` opens the way to desks and bots; it is called once a part."""

    def __init__(
        self,
        opening: TopicOpening,
        topics: Topics,
        desks: Callable[[], HintDelivery],
        counts: OutputMetrics,
        version: str,
    ) -> None:
        self._opening = opening
        self._topics = topics
        self._desks = desks
        self._counts = counts
        self._version = version

    def sinks(self) -> Sinks:
        """The sinks for the dataflow."""
        opening, topics, counts = self._opening, self._topics, self._counts
        return Sinks(
            facts=TopicSink(opening.of(topics.facts, CLOUD_EVENT), lambda: FactEncoder(topics.facts, counts)),
            hints=TopicSink(
                opening.of(topics.hints, CLOUD_EVENT), lambda: HintEncoder(topics.hints, self._desks(), counts)
            ),
            dead_letters=TopicSink(
                opening.of(topics.dead_letters, LETTER), lambda: DeadLetterEncoder(self._version, counts)
            ),
            route=by_partition(opening.partitions),
        )


class FactEncoder(TopicEncoder[Fact]):
    """Facts, but for the kinds that are not published."""

    def __init__(self, topic: str, counts: OutputMetrics) -> None:
        self._topic = topic
        self._counts = counts

    def documents(self, items: Sequence[Fact]) -> Iterator[TopicDocument]:
        """CloudEvents."""
        published = [fact for fact in items if fact.kind in PUBLISHED]
        self._counts.facts(published)
        return _documents(published, self._topic, self._counts)


class HintEncoder(TopicEncoder[Verdict]):
    """Hints: first to desks and bots, then that they were made, or ended, to the topic."""

    def __init__(self, topic: str, desks: HintDelivery, counts: OutputMetrics) -> None:
        self._topic = topic
        self._desks = desks
        self._counts = counts

    def before_write(self, items: Sequence[Verdict]) -> None:
        """To desks and bots."""
        self._desks.write(items)

    def documents(self, items: Sequence[Verdict]) -> Iterator[TopicDocument]:
        """CloudEvents."""
        self._counts.verdicts(items)
        return _documents(
            [verdict for verdict in items if isinstance(verdict, Hint | Retirement)], self._topic, self._counts
        )


class DeadLetterEncoder(TopicEncoder[DeadLetter]):
    """Dead letters. ``version``: of this Zhiyin, it stands in every letter."""

    def __init__(self, version: str, counts: OutputMetrics) -> None:
        self._version = version
        self._counts = counts

    def documents(self, items: Sequence[DeadLetter]) -> Iterator[TopicDocument]:
        """The letters."""
        self._counts.dead_letters(items)
        return (letter_document(letter, self._version) for letter in items)


def _documents(items: Sequence[PublicItem], topic: str, counts: OutputMetrics) -> Iterator[TopicDocument]:
    """What is too large for any topic is counted and logged; it comes from something besides the collector."""
    for item in items:
        document = public_document(item)
        if document is None:
            counts.unsent(topic, item)
        else:
            yield document
