"""What may befall a house, one function each: in a folder of its own, with customers, to the end.

In: a folder. Out: a line for each thing that was wrong; none when all was told once. What a fault must show on the
way (that it was met at all, words in a log, an exit code) is asserted here.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import redis

from tests.chaos.clock import PreloadedClock, SettableClock
from tests.chaos.house import ChaosSetup
from tests.chaos.program import Program
from tests.chaos.run import Plan, load, run, verdict_on
from tests.chaos.small_disk import SmallDisk
from tests.integration.engine.engine_process import until
from tests.kafka.broker import KafkaBroker
from tests.kafka.cluster import KafkaCluster
from tests.kafka.jars import broker_jars
from tests.parts.redis_server import RedisServer
from tests.parts.tcp_proxy import TcpProxy

KILLS: Final = 5
CUSTOMERS: Final = 30
AWAY_S: Final = 600
Lines = list[str]


def killed_on_redis_with_one_worker(folder: Path) -> Lines:
    """The harness, in short."""
    return _killed("redis", 1, folder)


def killed_on_redis_with_two_workers(folder: Path) -> Lines:
    """The same with two."""
    return _killed("redis", 2, folder)


def killed_on_kafka_with_one_worker(folder: Path) -> Lines:
    """The same on Kafka."""
    return _killed("kafka", 1, folder)


def killed_on_kafka_with_two_workers(folder: Path) -> Lines:
    """The same with two."""
    return _killed("kafka", 2, folder)


def _killed(bus: str, workers: int, folder: Path) -> Lines:
    outcome = run(Plan(f"short/{bus}/{workers}", bus, workers, KILLS), folder, lambda: None)
    assert (outcome.kills, outcome.events > 100, outcome.verdict.expected > 100) == (KILLS, True, True)
    return list(outcome.verdict.lines())


def redis_is_full(folder: Path) -> Lines:
    """Redis takes nothing more (maxmemory, noeviction); then it has room again."""
    with ChaosSetup(folder) as house, load(house, "full", CUSTOMERS) as sender, _client(house) as client:
        time.sleep(3.0)
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 1)
        until(lambda: "is out of memory" in house.engine.log, "the engine meets a full Redis")
        until(lambda: sender.failed_requests > 0, "the collector refuses")
        time.sleep(2.0)
        client.config_set("maxmemory", 0)
        time.sleep(2.0)
        return list(verdict_on(house, sender).lines())


def redis_is_slow_and_cut_off(folder: Path) -> Lines:
    """Answers come late, not at all, or are lost after Redis did what was asked."""
    (folder / "store").mkdir(parents=True)
    store = RedisServer(folder / "store", append_only=True)
    with TcpProxy(store.port) as proxy:
        address = {"REDIS_URL": f"redis://127.0.0.1:{proxy.port}/0"}
        house = ChaosSetup(folder / "house", redis_server=store, variables=address)
        with house, load(house, "slow", CUSTOMERS) as sender:
            time.sleep(1.0)
            proxy.delay_s = 0.2
            time.sleep(3.0)
            proxy.delay_s = 0.0
            _lose_answers(proxy)
            proxy.silence()
            until(lambda: "is slow" in house.engine.log, "the engine meets silence")
            proxy.speak()
            time.sleep(2.0)
            verdict = verdict_on(house, sender)
    assert proxy.lost > 10
    return list(verdict.lines())


def _lose_answers(proxy: TcpProxy) -> None:
    for number in range(20):
        proxy.lose(1 + number % 3)
        time.sleep(0.15)
        if number % 5 == 0:
            proxy.cut()


def the_disk_is_full(folder: Path) -> Lines:
    """Snapshots find no room: the engine stops in words, and goes on from the last one when there is room."""
    folder.mkdir()
    with SmallDisk(folder / "disk", 48) as disk:
        place = {"ZHIYIN_RECOVERY_DIR": str(disk.folder)}
        house = ChaosSetup(folder / "house", variables=place, before_engine=disk.before)
        with house, load(house, "disk", CUSTOMERS) as sender:
            time.sleep(3.0)
            disk.fill()
            assert house.engine.wait() != 0
            last_words = house.engine.log.splitlines()[-1]
            time.sleep(1.0)
            disk.make_room()
            house.engine.start()
            time.sleep(2.0)
            verdict = verdict_on(house, sender)
    assert last_words.startswith("zhiyin engine: "), last_words
    assert "disk is full" in last_words or "No space left on device" in last_words, last_words
    return list(verdict.lines())


def the_clock_is_set_back(folder: Path) -> Lines:
    """The machine's clock goes back by five seconds, and the engine starts anew on the way."""
    clock, house = _house_on_a_clock(folder)
    with house, load(house, "back", CUSTOMERS) as sender:
        time.sleep(4.0)
        clock.set_off_by(-5_000)
        time.sleep(2.0)
        _begin_anew(house.engine)
        time.sleep(2.0)
        verdict = verdict_on(house, sender)
        return [*verdict.lines(), *_late(house)]


def the_engine_is_away_for_ten_minutes(folder: Path) -> Lines:
    """The bus fills meanwhile; nothing of it is late, nobody was silent who was not."""
    clock, house = _house_on_a_clock(folder)
    with house, load(house, "engine away", 15, clock.now_ms) as sender:
        time.sleep(3.0)
        house.engine.kill()
        _pass_the_time(clock)
        house.engine.start()
        verdict = verdict_on(house, sender, late_ms=math.inf)
        return [*verdict.lines(), *_late(house)]


def redis_is_away_for_ten_minutes(folder: Path) -> Lines:
    """Senders keep what happens meanwhile, and bring it later."""
    clock, house = _house_on_a_clock(folder)
    return _away_for_ten_minutes(house, house.redis, clock)


def kafka_is_away_for_ten_minutes(folder: Path) -> Lines:
    """The same with the broker, by the customers' clocks: its own cannot be set."""
    house = ChaosSetup(folder, "kafka")
    assert house.kafka is not None
    return _away_for_ten_minutes(house, house.kafka, SettableClock(-AWAY_S * 1_000))


def leaders_of_partitions_are_killed(folder: Path) -> Lines:
    """Of three nodes that one is killed which leads, again and again, each while events flow; others take over."""
    folder.mkdir(parents=True)
    with KafkaCluster(broker_jars(), folder / "kafka") as cluster:
        house = ChaosSetup(folder / "house", "kafka", variables={"ZHIYIN_KAFKA_REPLICATION": "3"}, cluster=cluster)
        with house, load(house, "leaders", CUSTOMERS) as sender:
            assert house.topics is not None
            for topic in (house.topics.events, house.topics.facts, house.topics.events):
                time.sleep(2.0)
                _kill_the_leader(cluster, topic, house.topics.events)
            return list(verdict_on(house, sender).lines())


def _kill_the_leader(cluster: KafkaCluster, topic: str, events: str) -> None:
    leader = cluster.leader(topic, 0)
    leader.kill()
    assert cluster.leader(topic, 0) is not leader
    time.sleep(3.0)
    leader.start()
    cluster.wait_for_copies(events)


def _away_for_ten_minutes(house: ChaosSetup, part: RedisServer | KafkaBroker, clock: SettableClock) -> Lines:
    with house, load(house, "away", 15, clock.now_ms, keeps=True) as sender:
        time.sleep(3.0)
        part.kill()
        time.sleep(1.0)
        _pass_the_time(clock)
        part.start()
        until(lambda: sender.behind_s < 1.0, "the senders have brought what they kept", 60.0)
        verdict = verdict_on(house, sender, late_ms=math.inf)
        return [*verdict.lines(), *_late(house)]


def _house_on_a_clock(folder: Path) -> tuple[SettableClock, ChaosSetup]:
    (folder / "store").mkdir(parents=True)
    clock = PreloadedClock(folder)
    store = RedisServer(folder / "store", append_only=True, variables=clock.environment)
    return clock, ChaosSetup(folder / "house", redis_server=store, variables=clock.environment)


def _pass_the_time(clock: SettableClock) -> None:
    """Ten minutes in a quarter of one."""
    for _ in range(AWAY_S):
        clock.set_off_by(clock.off_by_ms + 1_000)
        time.sleep(0.025)


def _begin_anew(program: Program) -> None:
    program.kill()
    program.start()


def _late(house: ChaosSetup) -> Lines:
    """What this life of the engine counted as late."""
    late = house.events_counted("late")
    return [f"counted as late: {late:.0f}"] if late else []


def _client(house: ChaosSetup) -> redis.Redis:
    return redis.Redis.from_url(house.redis.url, socket_timeout=5.0)


ON_REDIS: Final[tuple[Callable[[Path], Lines], ...]] = (
    killed_on_redis_with_one_worker,
    killed_on_redis_with_two_workers,
    redis_is_full,
    redis_is_slow_and_cut_off,
)
ON_KAFKA: Final[tuple[Callable[[Path], Lines], ...]] = (
    killed_on_kafka_with_one_worker,
    killed_on_kafka_with_two_workers,
    kafka_is_away_for_ten_minutes,
    leaders_of_partitions_are_killed,
)
ON_A_SMALL_DISK: Final[tuple[Callable[[Path], Lines], ...]] = (the_disk_is_full,)
ON_A_CLOCK: Final[tuple[Callable[[Path], Lines], ...]] = (
    the_clock_is_set_back,
    the_engine_is_away_for_ten_minutes,
    redis_is_away_for_ten_minutes,
)
