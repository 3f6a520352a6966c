"""Kafka in tests: the broker keeps what it acknowledged, the mock serves where no Java is, each says what failed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.kafka.broker import KafkaBroker
from tests.kafka.jars import JarsNotFetched, broker_jars, jars_folder
from tests.kafka.servers import KafkaMock, NewTopicNamed
from tests.parts.bound import bound
from tests.parts.machine import ROOT
from tests.parts.planted import run_planted

QUIET: dict[str, str | int | float | bool] = {"log_level": 0}
WAIT_S = 120.0


def write(servers: str, topic: str, value: bytes) -> None:
    producer = Producer(QUIET | {"bootstrap.servers": servers, "enable.idempotence": True})
    errors: list[KafkaError | None] = []

    def told(error: KafkaError | None, _: Message) -> None:
        errors.append(error)

    producer.produce(topic, value, key=b"anna", partition=0, on_delivery=told)
    assert producer.flush(WAIT_S) == 0
    assert errors == [None]


def read(servers: str, topic: str, count: int) -> list[bytes | None]:
    consumer = Consumer(QUIET | {"bootstrap.servers": servers, "group.id": "tests"})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        return [message.value() for message in consumer.consume(count, WAIT_S)]
    finally:
        consumer.close()


class TestWhicheverServes:
    def test_a_message_goes_through(self, kafka_servers: str, new_topic: NewTopicNamed) -> None:
        topic = new_topic()
        write(kafka_servers, topic, b"seen")
        assert read(kafka_servers, topic, 1) == [b"seen"]

    def test_a_new_topic_has_four_partitions_and_a_name_of_its_own(
        self, kafka_servers: str, new_topic: NewTopicNamed
    ) -> None:
        topics = {new_topic(), new_topic(name="facts")}
        found = AdminClient(QUIET | {"bootstrap.servers": kafka_servers}).list_topics(timeout=WAIT_S).topics
        assert len(topics) == 2
        assert {len(found[topic].partitions) for topic in topics} == {4}


class TestBroker:
    @pytest.mark.slow
    def test_what_was_acknowledged_survives_a_kill_and_a_restart(
        self, kafka_broker: KafkaBroker, new_topic: NewTopicNamed
    ) -> None:
        topic = new_topic(partitions=1)
        write(kafka_broker.servers, topic, b"before the kill")
        kafka_broker.kill()
        assert not kafka_broker.runs
        kafka_broker.start()
        write(kafka_broker.servers, topic, b"after it")
        kafka_broker.restart()
        assert read(kafka_broker.servers, topic, 2) == [b"before the kill", b"after it"]

    @pytest.mark.parametrize("round_number", [1, 2])
    def test_one_that_was_left_dead_runs_for_the_next_test(self, kafka_broker: KafkaBroker, round_number: int) -> None:
        assert kafka_broker.runs
        if round_number == 1:
            kafka_broker.kill()

    def test_makes_no_topic_by_itself(self, kafka_broker: KafkaBroker) -> None:
        client = AdminClient(QUIET | {"bootstrap.servers": kafka_broker.servers})
        assert client.list_topics("nobody-made-it", timeout=WAIT_S).topics["nobody-made-it"].error is not None

    def test_refuses_to_start_twice(self, kafka_broker: KafkaBroker) -> None:
        with pytest.raises(RuntimeError, match=r"runs already: stop\(\) it first"):
            kafka_broker.start()

    def test_says_what_it_said_when_it_does_not_start(self, kafka_broker: KafkaBroker, tmp_path: Path) -> None:
        second = KafkaBroker(broker_jars(), tmp_path, port=kafka_broker.port)
        with pytest.raises(RuntimeError, match=rf"did not answer on port {second.port}; it said:\n(.*\n)*.*in use"):
            second.start()
        assert not second.runs

    @pytest.mark.requires("kafka")
    def test_says_what_java_said_when_it_cannot_format(self, tmp_path: Path) -> None:
        with pytest.raises(RuntimeError, match=r"did not format its storage; it said:\n(.*\n)*.*StorageTool"):
            KafkaBroker(tmp_path / "no_jars", tmp_path).start()


class TestJars:
    pom = """<project><modelVersion>4.0.0</modelVersion>
    <groupId>zhiyin</groupId><artifactId>planted</artifactId><version>1</version></project>"""

    @pytest.fixture
    def pom_file(self, tmp_path: Path) -> Path:
        file = tmp_path / "pom.xml"
        file.write_text(self.pom, "utf-8")
        return file

    def fake_maven(self, folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
        program = folder / "mvn"
        program.write_text(f"#!/bin/sh\n{body}\n", "utf-8")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder), prepend=":")

    def test_are_fetched_once_for_each_pom(
        self, tmp_path: Path, pom_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        body = f'echo once >> {tmp_path}/calls; for w in "$@"; do into="${{w#-DoutputDirectory=}}"; done; mkdir "$into"'
        self.fake_maven(tmp_path, monkeypatch, body)
        first = broker_jars(pom_file, tmp_path / "kept")
        assert first == broker_jars(pom_file, tmp_path / "kept") == jars_folder(pom_file, tmp_path / "kept")
        assert first.is_dir()
        pom_file.write_text(self.pom.replace("planted", "another"), "utf-8")
        assert broker_jars(pom_file, tmp_path / "kept") != first
        assert (tmp_path / "calls").read_text("utf-8").split() == ["once", "once"]
        assert len(list((tmp_path / "kept").iterdir())) == 2

    def test_of_two_who_fetch_at_once_the_quicker_ones_stay(
        self, tmp_path: Path, pom_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = jars_folder(pom_file, tmp_path / "kept")
        body = f'for w in "$@"; do into="${{w#-DoutputDirectory=}}"; done; mkdir "$into" {folder}; touch {folder}/a.jar'
        self.fake_maven(tmp_path, monkeypatch, body)
        assert broker_jars(pom_file, tmp_path / "kept") == folder
        assert [each.name for each in folder.iterdir()] == ["a.jar"]
        assert list((tmp_path / "kept").iterdir()) == [folder]

    def test_that_do_not_come_are_said_with_what_maven_said(
        self, tmp_path: Path, pom_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.fake_maven(tmp_path, monkeypatch, "echo 'no such artifact'; exit 1")
        with pytest.raises(
            JarsNotFetched, match=f"mvn did not bring the jars of {pom_file}: no such artifact"
        ) as found:
            broker_jars(pom_file, tmp_path / "kept")
        assert found.value.said == "no such artifact"
        assert list((tmp_path / "kept").iterdir()) == []

    def test_that_take_too_long_are_given_up(
        self, tmp_path: Path, pom_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.fake_maven(tmp_path, monkeypatch, f"exec {shutil.which('sleep')} 30")
        monkeypatch.setattr("tests.kafka.jars.FETCH_TIMEOUT_S", 0.2)
        with pytest.raises(JarsNotFetched, match=r"nothing after 0\.2 s"):
            broker_jars(pom_file, tmp_path / "kept")


class TestComposeFile:
    @pytest.mark.requires("kafka")
    def test_kafka_there_is_set_so_that_the_program_of_its_image_makes_a_broker_of_it(
        self, shared_kafka_broker: KafkaBroker | str, tmp_path: Path
    ) -> None:
        assert isinstance(shared_kafka_broker, KafkaBroker), shared_kafka_broker
        compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text("utf-8"))
        given = {name: str(value) for name, value in compose["services"]["kafka"]["environment"].items()}
        given |= {"KAFKA_LOG_DIRS": str(tmp_path / "data"), "PATH": os.environ["PATH"]}
        for folder in ("defaults", "mounted", "final"):
            (tmp_path / folder).mkdir()
        for file in ("server.properties", "log4j2.yaml", "tools-log4j2.yaml"):
            (tmp_path / "defaults" / file).touch()
        folders = ["-D", f"{tmp_path}/defaults", "-M", f"{tmp_path}/mounted", "-F", f"{tmp_path}/final"]
        command = ["java", "-cp", f"{broker_jars()}/*", "kafka.docker.KafkaDockerWrapper", "setup", *folders]
        answer = subprocess.run(bound(command), env=given, capture_output=True, text=True, timeout=300, check=False)
        assert answer.returncode == 0, answer.stderr[-2000:]
        assert f"cluster.id={given['CLUSTER_ID']}" in (tmp_path / "data" / "meta.properties").read_text("utf-8")


class TestWithoutJava:
    def test_the_mock_serves_and_the_end_of_the_run_says_so(self, tmp_path: Path) -> None:
        text = """
from tests.kafka.test_broker import read, write

def test_one(kafka_servers, new_topic):
    topic = new_topic()
    write(kafka_servers, topic, b"seen")
    assert read(kafka_servers, topic, 1) == [b"seen"]

def test_two(kafka_broker): raise AssertionError("must not run")

def test_three(new_topic): new_topic(partitions=7)
"""
        answer = run_planted(tmp_path, text)
        assert "1 passed, 2 skipped" in answer.stdout, answer.stdout
        assert "served by librdkafka's mock cluster (ZHIYIN_TEST_KAFKA=mock asks for the mock)" in answer.stdout
        assert "kafka (the mock's topics have 4 partitions): 1 test" in answer.stdout

    def test_the_mock_does_not_serve_where_the_real_broker_is_required(self, tmp_path: Path) -> None:
        answer = run_planted(tmp_path, "def test_one(kafka_servers): pass", ZHIYIN_REQUIRE="kafka")
        assert "ZHIYIN_REQUIRE names kafka, and it is missing" in answer.stdout
        assert answer.returncode == 1

    def test_a_broker_that_is_named_serves(self, tmp_path: Path) -> None:
        mock = KafkaMock()
        text = f"def test_one(kafka_servers): assert kafka_servers == {mock.servers!r}"
        answer = run_planted(tmp_path, text, ZHIYIN_TEST_KAFKA=mock.servers)
        assert "served by the broker that ZHIYIN_TEST_KAFKA names" in answer.stdout
        assert "1 passed" in answer.stdout
