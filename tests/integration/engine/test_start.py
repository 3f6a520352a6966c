"""What keeps an engine from starting is said in one line, with what to do; never by a traceback."""

import pickle
import shutil
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import redis

from flows.cluster.member import AddressUnusable, Member
from tests.integration.engine.engine_process import EngineProcess, post, told_facts, until
from tests.integration.engine.engine_set import EngineSet
from tests.integration.engine.quick_events import KINDS, QUICK, event, now_ms
from tests.parts.redis_server import RedisServer
from tests.streams import wire


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recovery folder with a little in it."""
    folder = tmp_path_factory.mktemp("kept")
    with RedisServer(_made(folder / "redis")) as server:
        engine = EngineProcess(server.url, QUICK, folder)
        engine.start()
        client = redis.Redis.from_url(server.url)
        post(client, [event(f"c{n}", "Transaction Started", None, now_ms(), n) for n in range(40)], wire)
        until(lambda: len(told_facts(client, KINDS)) == 80, "facts")
        assert engine.stop() == 0
    return folder / "recovery"


def damage_journal(folder: Path) -> None:
    path = next(path for path in sorted(folder.glob("journals/track-*/*.journal")) if path.stat().st_size)
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def lose_part(folder: Path) -> None:
    (folder / "part-1.sqlite3").unlink()


def scribble(folder: Path) -> None:
    for path in folder.glob("part-1.sqlite3*"):
        path.write_bytes(b"scribbled" * 1_000)


def another_format(folder: Path) -> None:
    strange = pickle.dumps(msgspec.msgpack.encode(["zhiyin-place-0", "track-000", [[], 0], b""]))
    for path in folder.glob("part-*.sqlite3"):
        with sqlite3.connect(path) as part:
            part.execute("UPDATE snaps SET ser_change = ? WHERE step_id LIKE '%track%'", (strange,))
        part.close()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (
            damage_journal,
            ("found a damaged pack at byte", "expected what was written", "bring the whole recovery folder"),
        ),
        (lose_part, ("Missing recovery partitions", "bring back a copy of the whole folder, or name another one")),
        (scribble, ("file is not a database", "bring back a copy of the whole folder, or name another one")),
        (another_format, ("found format 'zhiyin-place-0', expected 'zhiyin-place-1'",)),
    ],
)
def test_a_recovery_folder_that_is_not_whole(
    kept: Path, redis_url: str, tmp_path: Path, damage: Callable[[Path], None], words: tuple[str, ...]
) -> None:
    shutil.copytree(kept, tmp_path / "recovery")
    damage(tmp_path / "recovery")
    for workers in (1, 2):
        engine = EngineProcess(redis_url, QUICK, _made(tmp_path / str(workers)), _recovery(tmp_path), workers=workers)
        engine.start()
        assert engine.wait() == 1
        _told(engine, words)


def test_in_a_set_the_one_that_found_it_says_so_and_the_others_end(kept: Path, redis_url: str, tmp_path: Path) -> None:
    shutil.copytree(kept, tmp_path / "recovery")
    damage_journal(tmp_path / "recovery")
    with EngineSet(redis_url, QUICK, tmp_path, 2) as engines:
        assert [engine.wait() for engine in engines.engines] == [1, 1]
        found = [engine for engine in engines.engines if "found a damaged pack" in engine.log]
        lost = [engine for engine in engines.engines if "another process of the set has ended" in engine.log]
        assert (len(found), len(lost)) == (1, 1)


def test_a_recovery_folder_that_cannot_be_made(redis_url: str, tmp_path: Path) -> None:
    (tmp_path / "recovery").touch()
    engine = EngineProcess(redis_url, QUICK, tmp_path, _recovery(tmp_path))
    engine.start()
    assert engine.wait() == 1
    _told(engine, (f"recovery folder {tmp_path}/recovery: File exists, expected a whole folder",))


def test_a_recovery_folder_that_another_engine_uses(redis_url: str, tmp_path: Path) -> None:
    with EngineSet(redis_url, QUICK, tmp_path, 1) as engines:
        engines.until_running()
        second = EngineProcess(redis_url, QUICK, _made(tmp_path / "second"), _recovery(tmp_path))
        second.start()
        assert second.wait() == 1
        _told(
            second,
            (f"recovery folder {tmp_path}/recovery: in use by an engine alone (pid ", "expected free; stop that"),
        )


def test_an_address_that_is_taken(redis_url: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        engine = EngineProcess(redis_url, QUICK, tmp_path, ("-i", "0", "-a", f"{address};127.0.0.1:9"))
        engine.start()
        assert engine.wait() == 1
    _told(engine, (f"process 0 of a set of 2: can't listen on {address} (Address already in use)",))


@pytest.mark.parametrize("address", ["no-such-host.invalid:2101", "192.0.2.1:2101"])
def test_an_address_that_is_no_address_of_this_machine(address: str) -> None:
    with pytest.raises(AddressUnusable, match="expected a free address of this machine; stop what holds it, or see"):
        Member(1, ("127.0.0.1:9", address)).check_address()


def _recovery(folder: Path) -> tuple[str, str]:
    return ("--recovery", str(folder / "recovery"))


def _told(engine: EngineProcess, words: tuple[str, ...]) -> None:
    [line] = [line for line in engine.log.splitlines() if line.startswith("zhiyin engine: ")]
    assert [each for each in words if each not in line] == [], line
    assert "unexpected" not in line
    assert "Traceback" not in engine.log


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
