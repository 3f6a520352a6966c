"""``doctor`` and ``up`` look at the Kafka that was named before anything is started."""

import msgspec
import pytest

from config import Settings
from tests.kafka.servers import NewTopicNamed
from tests.parts.redis_server import free_port
from zhiyin.admin.doctor import Diagnosis, examine
from zhiyin.console.errors import KafkaUnfit
from zhiyin.processes.kafka_probe import kafka_report, require_kafka

PARTITIONS = 4


@pytest.fixture
def settings(kafka_servers: str, new_topic: NewTopicNamed) -> Settings:
    return Settings(
        bus="kafka",
        kafka_servers=(kafka_servers,),
        kafka_topic=new_topic(PARTITIONS),
        kafka_facts_topic="not-there-facts",
        kafka_hints_topic="not-there-hints",
        kafka_dead_letters_topic="not-there-letters",
    )


def found(settings: Settings, what: str) -> Diagnosis:
    [finding] = [each for each in examine(settings) if each.what == what]
    return finding


def test_a_kafka_that_has_what_is_needed(settings: Settings) -> None:
    require_kafka(settings)
    report = kafka_report(settings)
    assert report.topics == {
        settings.kafka_topic: PARTITIONS,
        "not-there-facts": None,
        "not-there-hints": None,
        "not-there-letters": None,
    }
    assert found(settings, "Kafka") == Diagnosis("Kafka", "ok", f"1 broker answers, client {report.client}")
    assert found(settings, f"topic {settings.kafka_topic}").found == "4 partitions"
    assert found(settings, "topic not-there-hints").found == "not there yet, will be made with 4 partitions"


def test_a_topic_of_another_size(settings: Settings) -> None:
    other = msgspec.structs.replace(settings, bus_partitions=8)
    topic = f"topic {settings.kafka_topic}"
    assert found(other, topic) == Diagnosis(topic, "fail", "4 partitions", "bus_partitions is 8: name another topic")
    with pytest.raises(KafkaUnfit, match=r"found 4 partitions, expected 8; .*'zhiyin doctor' looks at it more closely"):
        require_kafka(other)


def test_more_copies_than_brokers(settings: Settings) -> None:
    finding = found(msgspec.structs.replace(settings, kafka_replication=3), "Kafka")
    assert finding == Diagnosis(
        "Kafka", "fail", "1 broker answers", "kafka_replication 3 needs as many: topics could not be made"
    )


def test_a_kafka_that_is_away_or_spoken_to_in_the_wrong_way() -> None:
    away = Settings(bus="kafka", kafka_servers=(f"127.0.0.1:{free_port()}",), kafka_options=("sasl.password=hunter2",))
    with pytest.raises(KafkaUnfit) as caught:
        require_kafka(away)
    assert "is gone" in str(caught.value)
    finding = found(away, "Kafka")
    assert (finding.state, "is gone" in finding.found, "hunter2" in finding.found) == ("fail", True, False)
    wrong = msgspec.structs.replace(away, kafka_options=("no.such=1",))
    assert "ZHIYIN_KAFKA_OPTIONS" in found(wrong, "Kafka").found


def test_redis_as_the_bus_needs_no_kafka() -> None:
    assert [each for each in examine(Settings()) if "Kafka" in each.what] == []
