"""A producer faster than the engine, or than Kafka: events wait on the topic, not in memory, and yes means kept."""

import json
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil
import pytest

from tests.integration.engine.engine_process import until
from tests.integration.kafka.test_up import PARTITIONS, kafka_environment
from tests.integration.kafka.topic_house import read_partition
from tests.integration.up.test_backpressure import MOST_BYTES, SENDING_S, metric, until_at_work
from tests.kafka.broker import KafkaBroker
from tests.zhiyin.up.house_up import HouseUp

pytestmark = [pytest.mark.requires("redis", "kafka"), pytest.mark.timeout(420), pytest.mark.slow]

BATCH_EVENTS = 250
PAD = "x" * 1_000
SENDERS = 8
NOT_WITH_KAFKA_YET = 1_500
"""``bus_max_events``: on Kafka it bounds what the gateway holds until the broker has it."""

AHEAD = "queued.max.messages.kbytes=512,queued.min.messages=500"
"""What the engine may fetch ahead, for each partition: little, so that memory cannot be where events wait."""


class ProducedEvents(NamedTuple):
    """One request: the ids of its events, and the answer."""

    ids: list[str]
    answer: httpx.Response

    @property
    def taken(self) -> bool:
        """Whether the answer was yes."""
        return self.answer.status_code == httpx.codes.OK


@contextmanager
def house_of(folder: Path, broker: KafkaBroker) -> Iterator[tuple[HouseUp, dict[str, str]]]:
    """Everything up with topics of its own, and their names."""
    names = kafka_environment(broker.servers)
    limits = {
        "ZHIYIN_BUS_MAX_EVENTS": str(NOT_WITH_KAFKA_YET),
        "ZHIYIN_KAFKA_OPTIONS": AHEAD,
        "ZHIYIN_POLL_EVENTS": "100",
    }
    with HouseUp(folder, environment=names | limits) as house:
        yield house, names


def send(house: HouseUp) -> ProducedEvents:
    """One batch of a quarter of a megabyte."""
    ids = [uuid.uuid4().hex for _ in range(BATCH_EVENTS)]
    events: list[dict[str, Any]] = [
        {"type": "track", "event": "Order Viewed", "userId": f"c-{number}", "messageId": each, "properties": {"p": PAD}}
        for number, each in enumerate(ids)
    ]
    return ProducedEvents(ids, house.post(*events))


def send_first(house: HouseUp) -> ProducedEvents:
    """A batch that the engine has taken once this returns."""
    sent = send(house)
    assert sent.taken
    until_at_work(house, BATCH_EVENTS)
    return sent


@contextmanager
def standing_still(pid: int) -> Iterator[None]:
    """The process does nothing while the block runs."""
    process = psutil.Process(pid)
    process.suspend()
    try:
        yield
    finally:
        process.resume()


class MemoryUse:
    """What engine and gateway use, and the most they have used."""

    def __init__(self, house: HouseUp) -> None:
        self._parts = [psutil.Process(house.process(f"zhiyin {name}")) for name in ("engine", "gateway")]
        self._before = self._used()
        self._most = self._before

    @property
    def engine(self) -> int:
        """The engine's process id."""
        return int(self._parts[0].pid)

    @property
    def grown(self) -> int:
        """By how many bytes the one that has grown most has grown at most."""
        return max(most - before for most, before in zip(self._most, self._before, strict=True))

    def look(self) -> None:
        """Look again."""
        self._most = [max(pair) for pair in zip(self._most, self._used(), strict=True)]

    def _used(self) -> list[int]:
        return [part.memory_info().rss for part in self._parts]


def on_the_topic(broker: KafkaBroker, topic: str) -> list[str]:
    """The ids of all events there."""
    messages = [each for number in range(PARTITIONS) for each in read_partition(broker.servers, topic, number)]
    return [json.loads(message.value() or b"")["messageId"] for message in messages]


def taken_bytes(sent: Sequence[ProducedEvents]) -> int:
    """How much was answered with yes, at least."""
    return sum(len(each.ids) for each in sent if each.taken) * len(PAD)


def check_answers(sent: Sequence[ProducedEvents]) -> None:
    """Whoever is not told yes is told when to come back."""
    for each in sent:
        if not each.taken:
            assert each.answer.status_code in {429, 503}, each.answer.text
            assert int(each.answer.headers["Retry-After"]) >= 1


def test_what_the_engine_cannot_take_yet_waits_on_the_topic(kafka_broker: KafkaBroker, tmp_path: Path) -> None:
    with house_of(tmp_path / "var", kafka_broker) as (house, _):
        first = send_first(house)
        memory, sent = MemoryUse(house), list[ProducedEvents]()
        engine = house.addresses["metrics"]["engine"]
        with standing_still(memory.engine), ThreadPoolExecutor(SENDERS) as senders:
            while taken_bytes(sent) < 2 * MOST_BYTES:
                sent += senders.map(lambda _: send(house), range(SENDERS))
                memory.look()
        check_answers(sent)
        kept = sum(len(each.ids) for each in [first, *sent] if each.taken)
        until(lambda: metric(engine, "zhiyin_engine_events_total", outcome="ignored") >= kept, "all taken")
        assert metric(engine, "zhiyin_engine_events_total") == kept, "exactly what was answered with yes"
        until(lambda: metric(engine, "zhiyin_bus_lag_events") == 0, "no lag any more")
        memory.look()
        assert memory.grown < MOST_BYTES, f"{memory.grown} for {taken_bytes(sent)} bytes"
        assert house.interrupt() == 0


@pytest.mark.requires("scenarios")
def test_a_kafka_that_hangs_fills_no_memory_and_gets_no_yes_for_what_it_does_not_have(
    kafka_broker: KafkaBroker, tmp_path: Path
) -> None:
    with house_of(tmp_path / "var", kafka_broker) as (house, names):
        first = send_first(house)
        memory, sent = MemoryUse(house), [first]
        with ThreadPoolExecutor(SENDERS) as senders:
            with kafka_broker.paused():
                give_up = time.monotonic() + SENDING_S
                while time.monotonic() < give_up:
                    sent += senders.map(lambda _: send(house), range(SENDERS))
                    memory.look()
            refused = [each for each in sent if not each.taken]
            check_answers(sent)
            assert len(refused) > SENDERS, "Kafka was never missed"
            until(lambda: send(house).taken, "room again")
        memory.look()
        taken = [each for request in sent if request.taken for each in request.ids]
        found = on_the_topic(kafka_broker, names["ZHIYIN_KAFKA_TOPIC"])
        assert set(taken) <= set(found), "yes was said to what is not there"
        assert memory.grown < MOST_BYTES, f"grown by {memory.grown} bytes while {len(refused)} requests were refused"
        assert house.interrupt() == 0
