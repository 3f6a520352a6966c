"""The whole way on one machine, with real processes: from an event posted to the frame on a desk's socket."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import redis

from tests.parts.bound import bound
from tests.parts.machine import ROOT
from tests.parts.pace import slowness_since
from tests.parts.processes import PATIENCE_S, marked, until
from tests.zhiyin.up.house_up import QUICK, HouseUp, broken_off, clean_environment, desk_of, event
from zhiyin.console.errors import AlreadyUp

pytestmark = [pytest.mark.requires("redis"), pytest.mark.timeout(120)]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[HouseUp]:
    """Everything up on the quick catalogue; nothing of it left afterwards."""
    with HouseUp(tmp_path / "var", "--catalog", str(QUICK)) as house:
        yield house
    until(lambda: not house.processes())


def test_a_transaction_that_breaks_off_reaches_desk_and_chatbot_and_leaves_with_its_end(house: HouseUp) -> None:
    addresses = house.addresses
    assert set(addresses) == {"http", "ws", "redis", "desk_token", "write_key", "chatbot_token", "metrics"}
    with desk_of(house) as desk, redis.Redis.from_url(addresses["redis"]) as store:
        assert house.post(*broken_off("c-1")).status_code == 200
        hint = desk.event("created", "c-1")["data"]
        assert (hint["reason"]["code"], hint["step"], hint["transaction_id"]) == ("face_check", "face_check", "t-1")
        kept = json.loads(store.get("zy:hint:c-1") or "{}")
        assert kept["hints"][0]["hint_id"] == hint["hint_id"]
        assert house.next_hints("c-1").json()["hints"][0]["hint_id"] == hint["hint_id"]
        house.post(event("Transaction Completed", "c-1"))
        retired = desk.event("retired", "c-1")["data"]
        assert (retired["hint_id"], retired["cause"]) == (hint["hint_id"], "completed")
        assert store.get("zy:hint:c-1") is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_in_order_with_nothing_left(house: HouseUp, number: int) -> None:
    assert len(house.processes()) == len(("supervisor", "redis", "engine", "gateway"))
    assert house.interrupt(number) == 0
    stopped = ["gateway: stopped", "engine: stopped", "redis: stopped"]
    assert [line for line in house.said if line in stopped] == stopped
    assert house.processes() == {}


def test_each_part_that_is_killed_comes_back_and_later_events_still_arrive(house: HouseUp) -> None:
    for name, words in (("engine", "-m zhiyin engine"), ("gateway", "-m zhiyin gateway"), ("redis", "redis-server")):
        os.kill(house.process(words), signal.SIGKILL)
        until(partial(house.heard, f"{name}: killed by SIGKILL; starting it again in 0.5 s"))
        until(partial(house.heard, f"{name}: started again"))
        until(house.ready)
        with desk_of(house) as desk:
            customer = f"c-{name}"
            assert house.post(*broken_off(customer)).status_code == 200
            assert desk.event("created", customer)["data"]["reason"]["code"] == "face_check"


def test_nothing_is_left_when_the_supervisor_is_killed_and_the_next_start_goes_on(tmp_path: Path) -> None:
    with HouseUp(tmp_path / "var", "--catalog", str(QUICK)) as house:
        house.post(*broken_off("c-1"))
        house.kill()
        until(lambda: not house.processes())
    with HouseUp(tmp_path / "var", "--catalog", str(QUICK)) as again:
        assert again.addresses["write_key"] == house.addresses["write_key"]
        until(lambda: again.next_hints("c-1").json()["hints"])
        assert again.interrupt() == 0


def test_a_second_one_in_the_same_state_folder_is_refused(house: HouseUp) -> None:
    with HouseUp(house.state_dir, "--catalog", str(QUICK)) as second:
        assert second.ended() == 1
    assert second.addresses == {}
    assert second.said == [f"zhiyin up: {AlreadyUp(house.state_dir / 'up.lock', str(house.pid))}"]


def test_ports_in_use_are_one_clear_line_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        http, ws = one.getsockname()[1], two.getsockname()[1]
        answer = run_up(tmp_path, "--port", str(http), ZHIYIN_WS_PORT=str(ws))
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert answer.stderr.startswith(
        f"zhiyin up: ports on 127.0.0.1: http_port {http}: Address already in use; ws_port {ws}: Address already in use"
    )
    assert answer.stderr.count("\n") == 1


def test_a_redis_that_was_named_and_does_not_answer_is_said_without_its_password(tmp_path: Path) -> None:
    answer = run_up(tmp_path, REDIS_URL="redis://user:hidden@127.0.0.1:1/0")
    assert answer.returncode == 1
    assert "zhiyin up: Redis at 127.0.0.1:1: " in answer.stderr
    assert "or unset REDIS_URL so that 'zhiyin up' starts a Redis of its own" in answer.stderr
    assert "hidden" not in answer.stderr


def test_the_redis_that_was_named_is_used_and_left_running(tmp_path: Path, redis_url: str) -> None:
    with HouseUp(tmp_path / "var", "--catalog", str(QUICK), environment={"REDIS_URL": redis_url}) as house:
        assert house.addresses["redis"] == redis_url
        assert not any("redis-server" in command for command in house.processes().values())
        assert house.interrupt() == 0
    with redis.Redis.from_url(redis_url) as store:
        assert store.ping()


def test_a_catalogue_with_mistakes_is_refused_with_all_of_them(tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue.yaml"
    catalogue.write_text(
        QUICK.read_text("utf-8").replace("idle_after: 2s", "idle_after: soon").replace("need: 0.7", "need: 7")
    )
    answer = run_up(tmp_path, "--catalog", str(catalogue))
    assert answer.returncode == 2
    assert "soon" in answer.stderr
    assert "found 7" in answer.stderr


def test_the_demo_brings_its_first_hint_within_half_a_minute(tmp_path: Path) -> None:
    began = time.monotonic()
    with HouseUp(tmp_path / "var", "--demo") as house, redis.Redis.from_url(house.addresses["redis"]) as store:
        until(lambda: list(store.scan_iter("zy:hint:*")))
        assert time.monotonic() - began < 30 * slowness_since(began)
        assert house.interrupt() == 0
    assert house.processes() == {}


def run_up(tmp_path: Path, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        bound([sys.executable, "-m", "zhiyin", "up", *more]),
        cwd=ROOT,
        env=clean_environment() | {"ZHIYIN_STATE_DIR": str(tmp_path / "var")} | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_a_part_that_cannot_start_ends_everything_and_is_named(tmp_path: Path) -> None:
    with HouseUp(tmp_path / "var", "--catalog", str(QUICK)) as house:
        assert house.interrupt() == 0
    with HouseUp(tmp_path / "var", "--catalog", str(QUICK), environment={"ZHIYIN_SHARDS": "64"}) as other:
        assert other.ended() == 1
    assert other.addresses == {}
    assert other.said[-1].startswith("zhiyin up: engine: ended with code 1 after ")
    assert other.processes() == {}


def test_stopped_while_it_starts_it_ends_in_order(tmp_path: Path) -> None:
    process = subprocess.Popen(
        bound([sys.executable, "-m", "zhiyin", "up", "--port", "0", "--catalog", str(QUICK)]),
        cwd=ROOT,
        env=clean_environment() | {"ZHIYIN_STATE_DIR": str(tmp_path / "var")},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline().startswith("redis: ready")
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out) == (0, "")
    assert marked(str(tmp_path / "var")) == {}
