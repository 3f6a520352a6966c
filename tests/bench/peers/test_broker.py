import pytest

from bench.peers.broker import surroundings
from bench.peers.environments import Peer, PeerSkipped

TEA = Peer("tea", "Tea Streams")


def test_who_reads_files_needs_nothing() -> None:
    with surroundings(TEA) as environment:
        assert environment == {}


def test_without_a_broker_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("ZHIYIN_TEST_KAFKA", raising=False)
    with (
        pytest.raises(PeerSkipped, match=r"^Tea Streams skipped: it needs a broker: no java and mvn on PATH$"),
        surroundings(Peer("tea", "Tea Streams", reads_kafka=True)),
    ):
        pass
