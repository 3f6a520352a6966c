"""``zhiyin erase``: a customer forgotten by the stream, by Redis and, as far as it can be, by the bus.

In: settings and what was typed. Out: a line for each place and what was taken there; exit code 0 when nothing is left
but what the last lines name. Refused: nobody agreed (``ErasureNotAgreed``); the engine did not take the tombstone in
time (``ErasureUnfinished``: the same command again goes on).

First the tombstone goes on the bus, behind all that is there of the customer. Once the engine holds it safely nothing
that it knew of him can be published again; then Redis is looked through, and the engine's files until they are free of
him.
"""

import argparse
import asyncio
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from config import Settings
from operators.records.events import CUSTOMER_ERASED
from operators.support.timestamps import iso_text
from state.bus.protocol import OutgoingEvent, partition_of
from state.bus.redis import RedisBusReader, is_before
from state.bus_factory import gateway_bus, kafka_connection, kafka_topics
from state.kafka.bus_writer import KafkaBusWriter
from state.kafka.erasure import KafkaErasure
from state.redis.connections import Client, StoreUnavailable, connect, connect_async
from state.redis.erasure import erase_in_redis, is_rewriting, rewrite_append_only_file
from zhiyin.console.errors import ErasureNotAgreed, ErasureUnfinished
from zhiyin.console.terminal import say

LOOK_EVERY_S: Final = 0.25
DAY_MS: Final = 86_400_000


class Deadline:
    """Waits until something is so, as long as was asked for."""

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._until_s = time.monotonic() + within_s

    def until(self, what: str, is_so: Callable[[], bool]) -> None:
        """Raises ErasureUnfinished when the time is over."""
        while not _answered(is_so):
            if time.monotonic() > self._until_s:
                raise ErasureUnfinished(what, self._within_s)
            time.sleep(LOOK_EVERY_S)


def _answered(is_so: Callable[[], bool]) -> bool:
    """What can't be asked now is not so yet: a group's coordinator, for one, may still be reading."""
    try:
        return is_so()
    except StoreUnavailable:
        return False


def run_erase(settings: Settings, chosen: argparse.Namespace) -> int:
    """Carries it out. Raises ErasureNotAgreed, ErasureUnfinished, StoreUnavailable."""
    _agree(chosen.customer, agreed=chosen.yes)
    patience = Deadline(chosen.wait)
    with connect(settings.redis_url or "") as client:
        asyncio.run(_publish(settings, tombstone(chosen.customer, round(time.time() * 1000))))
        say("bus: the word is there")
        patience.until("the engine has not taken the word", _taken(settings, client, chosen.customer))
        say("engine: has forgotten; its words since then are written")
        _erase_redis(client, chosen.customer, patience)
    _wait_for_files(settings, chosen.customer, patience)
    if settings.bus == "kafka":
        _kafka(settings, chosen.customer, cut=chosen.cut_topics)
    return 0


def tombstone(customer_id: str, now_ms: int) -> OutgoingEvent:
    """The event that says that a customer is to be forgotten."""
    event = {
        "type": "track",
        "event": CUSTOMER_ERASED,
        "messageId": f"zhiyin-erase-{uuid.uuid4().hex}",
        "userId": customer_id,
        "timestamp": iso_text(now_ms),
    }
    return OutgoingEvent(customer_id, now_ms, msgspec.json.encode(event))


def _agree(customer_id: str, *, agreed: bool) -> None:
    if agreed:
        return
    if not sys.stdin.isatty():
        raise ErasureNotAgreed("nobody to ask")
    answer = input(f"Forget customer {customer_id!r} for ever? y or n: ")
    if answer.strip().lower() != "y":
        raise ErasureNotAgreed(repr(answer.strip()[:20]))


async def _publish(settings: Settings, event: OutgoingEvent) -> None:
    client = connect_async(settings.redis_url or "")
    writer = gateway_bus(settings, client)
    try:
        if isinstance(writer, KafkaBusWriter):
            await writer.open()
        await writer.append((event,))
    finally:
        if isinstance(writer, KafkaBusWriter):
            await writer.close()
        await client.aclose()


def _taken(settings: Settings, client: Client, customer_id: str) -> Callable[[], bool]:
    """Whether the engine holds all that is on the customer's partition now."""
    partition = partition_of(customer_id, settings.bus_partitions)
    if settings.bus == "kafka":
        kafka, topic, group = KafkaErasure(kafka_connection(settings)), settings.kafka_topic, settings.kafka_group
        end = kafka.end(topic, partition)
        return lambda: kafka.taken(topic, partition, group) >= end
    reader = RedisBusReader(client, partition)
    last = reader.last()
    return lambda: last is None or not is_before(reader.taken_up_to(), last)


def _erase_redis(client: Client, customer_id: str, patience: Deadline) -> None:
    taken = erase_in_redis(client, customer_id)
    for kind, count in sorted(taken.items()):
        say(f"redis: {kind}: {count}")
    say(f"redis: {taken.total()} in all")
    if rewrite_append_only_file(client):
        patience.until("Redis has not written its append-only file anew", lambda: not is_rewriting(client))
        say("redis: append-only file written anew")
    else:
        say("redis: keeps no append-only file, or did not let us have it written anew: see to its own copies")


def _wait_for_files(settings: Settings, customer_id: str, patience: Deadline) -> None:
    """The engine writes its journals anew by itself; here it is only seen that it has."""
    folder = Path(settings.recovery_dir or Path(settings.state_dir) / "recovery")
    if not folder.is_dir():
        say(f"engine's files: not on this machine ({folder}); written anew within a minute or so while it runs")
        return
    needle = customer_id.encode("utf-8", "surrogatepass")
    patience.until("the engine has not written its files anew", lambda: not files_with(folder, needle))
    say(f"engine's files: nothing left in {folder}")


def files_with(folder: Path, needle: bytes) -> list[Path]:
    """The files below ``folder`` that hold these bytes; one that goes meanwhile holds nothing."""
    paths = []
    for path in folder.rglob("*"):
        try:
            if path.is_file() and needle in path.read_bytes():
                paths.append(path)
        except FileNotFoundError:
            continue
    return paths


def _kafka(settings: Settings, customer_id: str, *, cut: bool) -> None:
    kafka = KafkaErasure(kafka_connection(settings))
    topics = [topic.name for topic in kafka_topics(settings)]
    partition = partition_of(customer_id, settings.bus_partitions)
    if cut:
        ends = {(topic, partition): kafka.end(topic, partition) for topic in topics}
        say(f"kafka: partition {partition} cut in {kafka.cut(ends)} topics")
        return
    for topic, kept_ms in kafka.kept_for_ms(topics).items():
        how_long = f"{kept_ms / DAY_MS:.3g} days" if kept_ms >= 0 else "for ever: set retention.ms"
        say(f"kafka: {topic}: no single message can be taken out; kept {how_long} (--cut-topics cuts them now)")
