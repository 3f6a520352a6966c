"""The bus on a Kafka topic: the engine's end of one partition.

In: messages whose key is the customer, whose value is the event's bytes, with the corrected time (epoch ms) in the
header ``t`` and the arrival as their timestamp. Out: entries, whose position is the offset. Messages that others put
there come out too: without the header the time is the event's own, else the message's; without a key the customer is
the event's. A message without a value is an entry without bytes, for the engine to refuse.
Refused: nothing that is there; while Kafka is away nothing new comes, and no end is known.

Where to read on is what the engine asks for, never the offsets of a consumer group. Messages that Kafka deleted before
they were read are counted and logged, and reading goes on from the first there is.
"""

import logging
from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, TIMESTAMP_CREATE_TIME, TIMESTAMP_NOT_AVAILABLE, Message, TopicPartition

from operators.records.events import Event, read_event
from operators.support.timestamps import to_ms
from state.bus.protocol import BusEntry, BusLook
from state.kafka.bus_offsets import BusOffsets, wall_clock_ms
from state.kafka.connection import ANSWER_TIMEOUT_S, KafkaConnection, Options, kind_of

LOG: Final = logging.getLogger("zhiyin.kafka")
TIME_HEADER: Final = "t"
_OUT_OF_RANGE: Final = frozenset({"_AUTO_OFFSET_RESET", "OFFSET_OUT_OF_RANGE"})
_PASSING: Final = frozenset({"gone", "slow", "leaderless", "short_of_replicas", "busy"})
_DEFAULTS: Final[Options] = {
    # What is fetched ahead of the engine, for each partition: enough for a few polls, little enough for memory.
    "queued.min.messages": 20_000,
    "queued.max.messages.kbytes": 16_384,
    "fetch.queue.backoff.ms": 20,
    "fetch.error.backoff.ms": 100,
}


class KafkaBusReader:
    """The engine's end of one partition. ``lost(count)`` is called for events that were deleted unread."""

    def __init__(
        self,
        connection: KafkaConnection,
        offsets: BusOffsets,
        topic: str,
        partition: int,
        group: str,
        lost: Callable[[int], None] = lambda _: None,
        clock_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        self._connection = connection
        self._offsets = offsets
        self._topic = topic
        self._partition = partition
        self._lost = lost
        self._clock_ms = clock_ms
        self._after: str | None = None
        self._next: int | None = None
        self._is_out_of_range = False
        own: Options = {
            "group.id": group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
        }
        self._consumer = connection.consumer(_DEFAULTS, own)
        self._is_assigned = False
        offsets.watch(partition)

    def read(self, after: str | None, count: int) -> BusLook:
        """At most ``count`` entries after the offset ``after`` (None for all), at once. Raises KafkaUnavailable."""
        if not self._is_assigned or after != self._after:
            self._assign(None if after is None else int(after) + 1)
            self._after = after
        if self._is_out_of_range:
            self._return_to_range()
        entries: list[BusEntry] = []
        for message in self._consumer.consume(count, 0):
            self._take(message, entries)
        if entries:
            self._after = entries[-1].position
        return self._look(entries)

    def taken(self, position: str) -> None:
        """Everything up to and with ``position`` is held safely: it is committed, for those who look at its lag."""
        self._offsets.held(self._partition, int(position) + 1)

    def close(self) -> None:
        """Let go of the partition."""
        self._offsets.forget(self._partition)
        self._consumer.unassign()
        # Without close(): there is no group to leave, and it would wait for a broker that is away.
        del self._consumer

    def _look(self, entries: list[BusEntry]) -> BusLook:
        end = self._offsets.of(self._partition)
        if end is None or self._next is None:
            return BusLook(entries, None, None)
        waiting = max(0, end.offset - self._next)
        return BusLook(entries, end.asked_ms if waiting == 0 else None, waiting)

    def _assign(self, offset: int | None) -> None:
        start = OFFSET_BEGINNING if offset is None else offset
        self._consumer.assign([TopicPartition(self._topic, self._partition, start)])
        self._is_assigned = True
        self._next = offset
        self._is_out_of_range = False

    def _take(self, message: Message, entries: list[BusEntry]) -> None:
        """One message, or what Kafka reports instead of one."""
        error, offset = message.error(), message.offset()
        if error is None and offset is not None:
            entries.append(self._entry(message, offset))
            self._next = offset + 1
        elif error is not None and error.name() == "_PARTITION_EOF":
            # Beyond the last message there may be marks of transactions, which are no messages.
            self._next = offset
        elif error is not None and error.name() in _OUT_OF_RANGE:
            self._is_out_of_range = True
        elif error is not None:
            is_passing = kind_of(error) in _PASSING
            LOG.log(
                logging.DEBUG if is_passing else logging.ERROR, "bus partition %d: %s", self._partition, error.str()
            )

    def _return_to_range(self) -> None:
        """The offset to read on from is not there: go on from the first that is. Raises KafkaUnavailable."""
        partition = TopicPartition(self._topic, self._partition)
        with self._connection.answering(f"asking what bus partition {self._partition} holds"):
            first, end = self._consumer.get_watermark_offsets(partition, timeout=ANSWER_TIMEOUT_S)
        wanted = self._next or 0
        if wanted < first:
            self._lost(first - wanted)
            LOG.error(
                "bus partition %d: found the first event of topic %s at offset %d, expected %d: %d events were deleted "
                "before they were read; going on from there; let the topic keep its events longer (retention.ms)",
                *(self._partition, self._topic, first, wanted, first - wanted),
            )
        elif wanted > end:
            LOG.error(
                "bus partition %d: found the end of topic %s at offset %d, expected %d or more: the topic was made "
                "anew, or has lost its last events; reading it from its first event",
                *(self._partition, self._topic, end, wanted),
            )
        self._assign(wanted if first <= wanted <= end else first)

    def _entry(self, message: Message, offset: int) -> BusEntry:
        raw, key = message.value() or b"", message.key()
        kind, stamp_ms = message.timestamp()
        time_ms = _time_in(message)
        if time_ms is not None and key is not None and kind != TIMESTAMP_NOT_AVAILABLE:
            return BusEntry(str(offset), key.decode("utf-8", "replace"), time_ms, stamp_ms, raw)
        return self._foreign(offset, raw, key, message.timestamp())

    def _foreign(self, offset: int, raw: bytes, key: bytes | None, stamp: tuple[int, int]) -> BusEntry:
        """What somebody else put there. A time that its sender set need not be that of its arrival: we take ours."""
        kind, stamp_ms = stamp
        now_ms = self._clock_ms()
        event = read_event(raw)
        customer_id = event.customer_id if isinstance(event, Event) else None
        if key is not None:
            customer_id = key.decode("utf-8", "replace")
        moment = event.timestamp if isinstance(event, Event) else None
        known_ms = now_ms if kind == TIMESTAMP_NOT_AVAILABLE else stamp_ms
        arrived_ms = now_ms if kind in {TIMESTAMP_CREATE_TIME, TIMESTAMP_NOT_AVAILABLE} else stamp_ms
        time_ms = known_ms if moment is None else to_ms(moment)
        return BusEntry(str(offset), customer_id or "", time_ms, arrived_ms, raw)


def _time_in(message: Message) -> int | None:
    """The corrected time our gateway wrote; None: it is not from there."""
    headers: Any = message.headers() or ()
    return next((int(value) for name, value in headers if name == TIME_HEADER and value and value.isdigit()), None)
