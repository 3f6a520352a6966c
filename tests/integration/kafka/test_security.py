"""TLS and passwords against a real broker: who may gets in, who may not is told why, and no password is shown."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from config import Settings
from tests.integration.engine.engine_process import EngineProcess
from tests.integration.kafka.test_up import kafka_environment
from tests.kafka.certificates import Authority
from tests.kafka.jars import JarsNotFetched, broker_jars
from tests.kafka.secure_broker import PASSWORD, SCRAM, SecureBroker
from tests.parts.missing import missing
from tests.parts.processes import until
from tests.zhiyin.up.house_up import QUICK, HouseUp, broken_off, desk_of
from tests.zhiyin.up.test_up import run_up
from zhiyin.console.errors import KafkaUnfit
from zhiyin.processes.kafka_probe import kafka_report

pytestmark = [pytest.mark.requires("redis", "kafka"), pytest.mark.timeout(180), pytest.mark.slow]

WRONG = "incorrect-donkey"
COME_IN = ("SCRAM", "PLAIN", "certificate")
REFUSALS = {
    "a wrong password": "is refused (sasl_ssl://{sasl}/bootstrap: SASL authentication error: Authentication failed "
    "during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512",
    "a wrong password, PLAIN": "SASL authentication error: Authentication failed: Invalid username or password",
    "a mechanism it does not have": "is refused (sasl_ssl://{sasl}/bootstrap: SASL SCRAM-SHA-256 mechanism handshake "
    "failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms: SCRAM-SHA-512,PLAIN",
    "another authority": "certificate verify failed",
    "no certificate": "is refused (ssl://{tls}/bootstrap: Receive failed: error:0A000412:SSL routines::"
    "ssl/tls alert bad certificate",
    "a certificate of another authority": "ssl/tls alert bad certificate",
    "no TLS": "it hung up on the first request, as one that speaks TLS does when kafka_options do not",
    "TLS where there is none": "in state SSL_HANDSHAKE",
    "an authority that is no file": "found Failed to create admin client: ssl.ca.location failed",
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[SecureBroker]:
    """A broker of this module's own."""
    try:
        jars = broker_jars()
    except JarsNotFetched as error:
        missing(pytestconfig, "kafka", str(error))
    with SecureBroker(jars, tmp_path_factory.mktemp("secure")) as broker:
        yield broker


@pytest.fixture(scope="module")
def answers(broker: SecureBroker) -> dict[str, str]:
    """What everybody is told, all asking at once: a refusal takes its five seconds."""
    tries = _tries(broker)
    with ThreadPoolExecutor(len(tries)) as together:
        told = together.map(lambda each: _answer(*each), tries.values())
        return dict(zip(tries, told, strict=True))


def _tries(broker: SecureBroker) -> dict[str, tuple[str, Sequence[str]]]:
    other = Authority(broker.authority.folder / "other", "Somebody else")
    foreign = other.signed("client")
    sasl, tls = broker.sasl_options(), broker.tls_options()
    return {
        "SCRAM": (broker.sasl_servers, sasl),
        "PLAIN": (broker.sasl_servers, broker.sasl_options("PLAIN")),
        "certificate": (broker.tls_servers, tls),
        "a wrong password": (broker.sasl_servers, broker.sasl_options(password=WRONG)),
        "a wrong password, PLAIN": (broker.sasl_servers, broker.sasl_options("PLAIN", password=WRONG)),
        "a mechanism it does not have": (broker.sasl_servers, broker.sasl_options("SCRAM-SHA-256")),
        "another authority": (broker.sasl_servers, [sasl[0], f"ssl.ca.location={other.file}", *sasl[2:]]),
        "no certificate": (broker.tls_servers, tls[:2]),
        "a certificate of another authority": (
            broker.tls_servers,
            [*tls[:2], f"ssl.certificate.location={foreign}", f"ssl.key.location={foreign}"],
        ),
        "no TLS": (broker.tls_servers, ()),
        "TLS where there is none": (broker.servers, tls),
        "an authority that is no file": (broker.sasl_servers, [sasl[0], "ssl.ca.location=/nowhere/ca.pem", *sasl[2:]]),
    }


def _answer(servers: str, options: Sequence[str]) -> str:
    """What the doctor hears."""
    try:
        report = kafka_report(Settings(bus="kafka", kafka_servers=(servers,), kafka_options=tuple(options)))
    except KafkaUnfit as unfit:
        return str(unfit)
    return f"{report.brokers} broker"


@pytest.mark.parametrize("who", COME_IN)
def test_who_proves_who_he_is_gets_in(answers: dict[str, str], who: str) -> None:
    assert answers[who] == "1 broker"


@pytest.mark.parametrize("who", REFUSALS)
def test_who_does_not_is_told_why(answers: dict[str, str], broker: SecureBroker, who: str) -> None:
    assert REFUSALS[who].format(sasl=broker.sasl_servers, tls=broker.tls_servers) in answers[who]


def test_every_way_to_be_refused_was_tried_and_no_password_is_shown(answers: dict[str, str]) -> None:
    assert set(answers) == {*COME_IN, *REFUSALS}
    said = " ".join(answers.values())
    assert PASSWORD not in said
    assert WRONG not in said


@pytest.mark.parametrize("who", ["password", "certificate"])
def test_the_whole_way_from_an_event_to_the_desk(broker: SecureBroker, tmp_path: Path, who: str) -> None:
    servers = broker.sasl_servers if who == "password" else broker.tls_servers
    options = broker.sasl_options() if who == "password" else broker.tls_options()
    environment = kafka_environment(servers) | {"ZHIYIN_KAFKA_OPTIONS": ",".join(options)}
    with HouseUp(tmp_path / "var", "--catalog", str(QUICK), environment=environment) as house:
        with desk_of(house) as desk:
            assert house.post(*broken_off("c-1")).status_code == 200
            assert desk.event("created", "c-1")["data"]["step"] == "face_check"
        assert house.interrupt() == 0
    assert not house.heard(PASSWORD)


def test_up_with_a_wrong_password_ends_in_one_line(broker: SecureBroker, tmp_path: Path) -> None:
    options = ",".join(broker.sasl_options(password=WRONG))
    answer = run_up(tmp_path, **kafka_environment(broker.sasl_servers), ZHIYIN_KAFKA_OPTIONS=options)
    assert answer.returncode == 1
    assert f"Kafka at {broker.sasl_servers} is refused" in answer.stderr
    assert "look at kafka_options (TLS, SASL) and at its access lists" in answer.stderr
    assert answer.stderr.count("\n") == 1
    assert WRONG not in answer.stderr


@pytest.mark.parametrize(
    ("user", "password", "why"),
    [("zhiyin", WRONG, "invalid credentials"), ("guest", PASSWORD, "making topic")],
    ids=["a wrong password", "a user who may do nothing"],
)
def test_an_engine_that_is_refused_waits_says_it_once_and_stops_when_told(
    broker: SecureBroker, redis_url: str, tmp_path: Path, user: str, password: str, why: str
) -> None:
    options = ",".join(broker.sasl_options(SCRAM, user, password))
    names = kafka_environment(broker.sasl_servers)
    topics = {name.removeprefix("ZHIYIN_").lower(): value for name, value in names.items()}
    engine = EngineProcess(redis_url, QUICK, tmp_path, **topics, kafka_options=options)
    engine.start()
    try:
        # A broker that is slow to answer may be gone for the engine before it refuses it.
        until(lambda: f"Kafka at {broker.sasl_servers} is refused" in engine.log)
        assert "trying on" in engine.log
        assert why in engine.log
        assert engine.stop() == 0
    finally:
        engine.kill()
    assert engine.log.count("is refused") == 1
    assert password not in engine.log
