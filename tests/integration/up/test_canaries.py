"""Values that must turn up nowhere, sent through the whole running set-up; then a customer is erased from it.

Sought in every Redis key and value, in every byte of the state folder (Redis's append-only file, the engine's
snapshots and journals, logs), in what the processes said, in metrics, facts and hints.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from state.redis.connections import connect
from tests.integration.engine.engine_process import until
from tests.integration.kafka.test_up import kafka_environment
from tests.kafka.broker import KafkaBroker
from tests.parts.bound import bound
from tests.parts.machine import ROOT
from tests.parts.processes import PATIENCE_S
from tests.zhiyin.up.house_up import QUICK, HouseUp, broken_off, clean_environment, desk_of, event

CANARIES = ("Zhang-San-Canary", "张三丰的名字", "13912345678", "110101199003076519")
PERSON = dict(zip(("name", "holder", "phone", "id_number"), CANARIES, strict=True))
CUSTOMER = "customer-to-be-erased"
OTHER = "customer-who-stays"
DESK = "desk-1"
IN_REDIS = {
    *("zy:hint", "zy:open", "zy:documents", "zy:record", "zy:expiring", "zy:desk", "zy:awaited", "zy:channel"),
    *("zy:facts", "zy:dead-letters", "zy:customer", "zy:outreach", "zy:call", "zy:calls"),
}
"""Kinds of keys that hold him, or a hint or call of his, before a contact."""
IN_JOURNALS = {"track", "decide", "arbitrate", "outreach", "bundle"}
"""Steps of the dataflow whose journals name him."""
STAYS = ("zy:audit", "zy:told:")
"""The trail, with a mask of him, and for a day that a hint of that id was told."""
ARTICLE = "    article:\n      id: help-face-check\n"
VARIANTS = "    variants:\n      - {zh: 人脸识别没有通过, en: The face check failed}\n"
pytestmark = [pytest.mark.requires("redis"), pytest.mark.timeout(180), pytest.mark.slow]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HouseUp]:
    """One that does all it can: it learns, words, and has customers called at once."""
    state_dir = tmp_path_factory.mktemp("house")
    text = QUICK.read_text("utf-8") + "\noutreach: {after: 500ms}\nhints: {wording: bandit}\n"
    for old, new in (("learning: false", "learning: true"), (ARTICLE, VARIANTS + ARTICLE)):
        assert text.count(old) == 1
        text = text.replace(old, new)
    catalogue = tmp_path_factory.mktemp("catalogue") / "all.yaml"
    catalogue.write_text(text, "utf-8")
    # A short epoch: the files are written anew within some seconds.
    environment = {"ZHIYIN_LOG_LEVEL": "debug", "ZHIYIN_EPOCH_MS": "200"}
    with HouseUp(state_dir, "--catalog", str(catalogue), environment=environment) as running:
        yield running
        running.interrupt()


def personal(given: dict[str, Any]) -> dict[str, Any]:
    """The event as a careless website sends it."""
    own = {**given.get("properties", {}), **PERSON, "person": PERSON}
    page = {"url": f"https://www.example.com/?phone={PERSON['phone']}", "title": PERSON["name"]}
    return {**given, **PERSON, "properties": own, "context": {"page": page, "traits": PERSON}}


def careless_events(customer_id: str) -> list[dict[str, Any]]:
    """All kinds of events: a break-off, a policy, traits, somebody else's, what becomes a dead letter."""
    who = {
        **event("", customer_id),
        "type": "identify",
        "traits": {**PERSON, "group": "retail", "owner_agent_id": DESK},
    }
    policy = {**event("Policy Updated", customer_id), "properties": {"policy_id": "p-1", **PERSON}}
    unknown = event("Transaction Started", customer_id, journey="no_such_journey")
    return [
        {**who, **PERSON},
        *map(personal, broken_off(customer_id)),
        {**policy, **PERSON},
        personal(event("Order Completed", customer_id)),
        personal(unknown),
        personal({**event("Contact Started", customer_id), "properties": {"channel": "phone", "agent_id": DESK}}),
    ]


def in_redis(house: HouseUp, words: tuple[str, ...]) -> list[str]:
    """The keys whose name or value holds one of ``words``."""
    found = []
    with connect(house.addresses["redis"]) as client:
        for key in client.scan_iter(count=1000):
            held = key + b"\0" + content_of(client, key)
            found += [f"{key.decode()} holds {word}" for word in words if word.encode() in held]
    return found


def until_he_is_in(places: set[str], found: Callable[[], set[str]]) -> None:
    """Waits until he stands in each of ``places``, so that there is something to be erased."""
    give_up = time.monotonic() + PATIENCE_S
    while missing := places - found():
        assert time.monotonic() < give_up, f"he is not in {sorted(missing)}"
        time.sleep(0.1)


def own_words(house: HouseUp) -> tuple[str, ...]:
    """The customer's id, and the ids of his hints and calls."""
    with connect(house.addresses["redis"]) as client:
        records = [key for kind in ("record", "call") for key in client.scan_iter(match=f"zy:{kind}:*")]
        his = [key for key in records if client.hget(key.decode(), "customer") == CUSTOMER.encode()]
    return (CUSTOMER, *(key.decode().rpartition(":")[2] for key in his))


def kinds_in_redis(house: HouseUp) -> set[str]:
    """The kinds of keys that hold him, or a hint or call of his."""
    return {":".join(each.split(" ")[0].split(":")[:2]) for each in in_redis(house, own_words(house))}


def steps_that_name_him(house: HouseUp) -> set[str]:
    """The steps of the dataflow in whose journals he stands."""
    folder = house.state_dir / "recovery"
    return {
        path.parent.name.partition("-")[0]
        for path in folder.rglob("*.journal")
        if CUSTOMER.encode() in path.read_bytes()
    }


def content_of(client: Any, key: bytes) -> bytes:  # noqa: ANN401 - redis-py's answers have no one type
    readers: dict[bytes, Callable[[], Any]] = {
        b"string": lambda: client.get(key),
        b"hash": lambda: client.hgetall(key),
        b"set": lambda: client.smembers(key),
        b"zset": lambda: client.zrange(key, 0, -1),
        b"stream": lambda: client.xrange(key),
        b"list": lambda: client.lrange(key, 0, -1),
        b"none": lambda: b"",
    }
    return flat(readers[client.type(key)]())


def flat(value: Any) -> bytes:  # noqa: ANN401 - whatever redis-py answers
    if isinstance(value, bytes):
        return value
    if isinstance(value, dict):
        return b"\0".join(flat(key) + b"\0" + flat(each) for key, each in value.items())
    return b"\0".join(map(flat, value)) if isinstance(value, list | tuple | set) else b""


def in_files(folder: Path, words: tuple[str, ...]) -> list[str]:
    """The files below ``folder`` that hold one of ``words``."""
    held = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return [f"{path} holds {word}" for path, content in held.items() for word in words if word.encode() in content]


def spoken(house: HouseUp) -> str:
    """Logs and metrics."""
    metrics = house.addresses["metrics"]
    urls = metrics.values() if isinstance(metrics, dict) else metrics
    return "\n".join([*house.said, *(httpx.get(url, timeout=120).text for url in urls)])


@pytest.fixture(scope="module")
def busy_house(house: HouseUp) -> HouseUp:
    """Everything has happened that can: facts, a hint on the desk, a bundle, a dead letter, a look-up."""
    with desk_of(house) as desk:
        for customer_id in (CUSTOMER, OTHER):
            answer = house.post(*careless_events(customer_id)[:-1])
            assert answer.json()["success"], answer.text
            desk.event("created", customer_id)
        until_he_is_in(IN_REDIS, lambda: kinds_in_redis(house))
        until_he_is_in(IN_JOURNALS, lambda: steps_that_name_him(house))
        assert house.post(careless_events(CUSTOMER)[-1]).json()["success"]
        until_he_is_in({"zy:bundle", "zy:desk-bundles"}, lambda: kinds_in_redis(house))
        broken = httpx.post(f"{house.addresses['http']}/v1/track", content=b'{"name":"' + CANARIES[0].encode())
        assert broken.status_code in (400, 401)
        assert house.next_hints(CUSTOMER).json()["hints"]
    with connect(house.addresses["redis"]) as client:
        until(lambda: client.xlen("zy:dead-letters") >= 2, "dead letters")
    return house


def test_what_a_careless_website_sends_turns_up_nowhere(busy_house: HouseUp) -> None:
    assert in_redis(busy_house, (OTHER,)), "the test looks in the wrong place"
    assert in_files(busy_house.state_dir, (OTHER,)), "the test looks in the wrong place"
    assert "zhiyin_events_accepted_total" in spoken(busy_house), "the test does not see the metrics"
    assert in_redis(busy_house, CANARIES) == []
    assert in_files(busy_house.state_dir, CANARIES) == []
    assert [word for word in CANARIES if word in spoken(busy_house)] == []


def test_an_erased_customer_is_nowhere_and_nobody_else_is_missing(busy_house: HouseUp) -> None:
    own = own_words(busy_house)
    assert len(own) > 2, "a hint and a call"
    done = erased(busy_house, {})
    assert done.returncode == 0, done.stderr
    assert "engine: has forgotten" in done.stderr
    assert "redis: zy:record: 1" in done.stderr
    assert "redis: append-only file written anew" in done.stderr
    assert "engine's files: nothing left" in done.stderr
    left = in_redis(busy_house, own)
    assert [each for each in left if not each.startswith(STAYS) or CUSTOMER in each] == []
    assert in_files(busy_house.state_dir, (CUSTOMER,)) == []
    assert busy_house.next_hints(CUSTOMER).json()["hints"] == []
    assert busy_house.next_hints(OTHER).json()["hints"]
    assert in_files(busy_house.state_dir, (OTHER,))


def test_on_kafka_the_topics_are_cut_and_hold_him_no_more(kafka_broker: KafkaBroker, tmp_path: Path) -> None:
    topics = kafka_environment(kafka_broker.servers) | {"ZHIYIN_EPOCH_MS": "200"}
    with HouseUp(tmp_path, "--catalog", "tests/recorded/quick.yaml", environment=topics) as running:
        with desk_of(running) as desk:
            assert running.post(*careless_events(CUSTOMER)[:-1]).json()["success"]
            desk.event("created", CUSTOMER)
        names = [name for variable, name in topics.items() if variable.endswith("_TOPIC")]
        until(lambda: in_topics(kafka_broker, names, (CUSTOMER,)) != [], "the customer in a topic")
        assert in_topics(kafka_broker, names, CANARIES) == []
        done = erased(running, topics, "--cut-topics")
        assert done.returncode == 0, done.stderr
        assert "cut in 4 topics" in done.stderr
        assert in_topics(kafka_broker, names, (CUSTOMER,)) == []
        assert in_redis(running, (CUSTOMER,)) == []
        assert in_files(tmp_path, (CUSTOMER,)) == []
        running.interrupt()


def in_topics(broker: KafkaBroker, names: list[str], words: tuple[str, ...]) -> list[str]:
    """The topics in which anybody can still read one of ``words``."""
    own = {"group.id": "canaries", "auto.offset.reset": "earliest", "enable.partition.eof": True}
    reader = Consumer({"bootstrap.servers": broker.servers, **own})
    found = []
    for name in names:
        for partition in reader.list_topics(name, timeout=120).topics[name].partitions:
            place = TopicPartition(name, partition)
            first, _ = reader.get_watermark_offsets(place, timeout=120)
            reader.assign([TopicPartition(name, partition, first)])
            held = b"".join(map(message_bytes, to_the_end(reader)))
            found += [f"{name} holds {word}" for word in words if word.encode() in held]
    reader.close()
    return found


def to_the_end(reader: Consumer) -> Iterator[Message]:
    """Every message of what is assigned, until the broker says that there is no other."""
    while True:
        for message in reader.consume(1_000, timeout=1.0):
            if (error := message.error()) is None:
                yield message
                continue
            assert error.code() == KafkaError._PARTITION_EOF, error  # noqa: SLF001 - its only name
            return


def message_bytes(message: Message) -> bytes:
    headers: Any = message.headers() or []
    parts = [message.key(), message.value(), *(value for _, value in headers)]
    return b"\0".join(part if isinstance(part, bytes) else str(part).encode() for part in parts)


def erased(house: HouseUp, settings: dict[str, str], *more: str) -> subprocess.CompletedProcess[str]:
    own = {"ZHIYIN_STATE_DIR": str(house.state_dir), "REDIS_URL": house.addresses["redis"]}
    command = [sys.executable, "-m", "zhiyin", "erase", CUSTOMER, "--yes", "--wait", "240", *more]
    environment = clean_environment() | settings | own
    return subprocess.run(
        bound(command), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
