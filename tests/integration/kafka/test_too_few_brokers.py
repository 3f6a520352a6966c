"""Fewer brokers than a new topic is to have copies: the engine waits, says so, and goes on when another joins."""

import random
from pathlib import Path

import pytest

from tests.integration.engine.engine_process import EngineProcess, facts_among, until, until_told
from tests.integration.engine.quick_events import KINDS, QUICK, oracles_facts, some_events
from tests.integration.kafka.topic_house import TopicHouse
from tests.kafka.broker import KafkaBroker
from tests.kafka.jars import broker_jars
from tests.kafka.joining_broker import JoiningBroker
from tests.streams import wire


@pytest.mark.slow
@pytest.mark.requires("kafka", "scenarios")
@pytest.mark.timeout(180)
def test_the_engine_waits_for_the_second_broker_and_goes_on(redis_url: str, tmp_path: Path) -> None:
    jars = broker_jars()
    (tmp_path / "first").mkdir()
    with KafkaBroker(jars, tmp_path / "first") as first:
        house = TopicHouse(first.servers)
        engine = EngineProcess(redis_url, QUICK, tmp_path, **house.settings, kafka_replication=2)
        engine.start()
        until(lambda: "short of brokers" in engine.log, "a word of what it waits for")
        assert "replication factor of 2" in engine.log
        assert "trying on" in engine.log
        assert not engine.ended()
        with JoiningBroker(jars, tmp_path / "second", first):
            until(house.ready, "the topics")
            sent = some_events(random.Random(3), 0)
            house.post(sent, wire)
            until_told(lambda: facts_among(house.documents(house.facts), KINDS), lambda: oracles_facts(sent))
            assert engine.log.count("short of brokers") == 1, "said once"
            assert engine.stop() == 0
