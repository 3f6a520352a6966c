"""Three engine processes over one Kafka: the facts of one, at every scale, and an end in time without the broker."""

import random
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.engine.engine_process import facts_among, until, until_told
from tests.integration.engine.engine_set import EngineSet
from tests.integration.engine.quick_events import KINDS, QUICK, oracles_facts, some_events
from tests.integration.kafka.topic_house import TopicHouse
from tests.kafka.broker import KafkaBroker
from tests.parts.pace import slowness_since
from tests.streams import wire

pytestmark = [pytest.mark.timeout(180), pytest.mark.slow]


def test_three_two_and_one_tell_the_facts_of_one_over_kills(redis_url: str, topics: TopicHouse, tmp_path: Path) -> None:
    seeded = random.Random(11)
    sent: list[dict[str, Any]] = []
    for round_number, size in enumerate((3, 1, 2)):
        with EngineSet(redis_url, QUICK, tmp_path, size, **topics.settings) as engines:
            engines.until_running()
            batch = some_events(seeded, round_number)
            sent += batch
            topics.post(batch, wire)
            time.sleep(seeded.uniform(0.2, 1.5))
            assert engines.lost(seeded.randrange(size)) == [1] * (size - 1)
    with EngineSet(redis_url, QUICK, tmp_path, 3, **topics.settings) as engines:
        engines.until_running()
        until_told(lambda: facts_among(topics.documents(topics.facts), KINDS), lambda: oracles_facts(sent))
        assert engines.stop() == [0, 0, 0]


def test_a_set_stops_in_time_while_the_broker_is_away(
    redis_url: str, topics: TopicHouse, kafka_broker: KafkaBroker, tmp_path: Path
) -> None:
    with EngineSet(redis_url, QUICK, tmp_path, 2, **topics.settings) as engines:
        engines.until_running()
        sent = some_events(random.Random(5), 0)
        topics.post(sent, wire)
        until(lambda: len(topics.messages(topics.facts)) > 0, "the first facts")
        kafka_broker.kill()
        time.sleep(1.5)
        began = time.monotonic()
        assert engines.stop() == [0, 0]
        assert time.monotonic() - began < 10 * slowness_since(began)
        kafka_broker.start()
        engines.start()
        engines.until_running()
        until_told(lambda: facts_among(topics.documents(topics.facts), KINDS), lambda: oracles_facts(sent))
