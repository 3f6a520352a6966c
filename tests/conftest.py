"""Fixtures of real parts, and the rule for parts that a machine lacks (``tests/parts/machine.py``)."""

import fcntl
import hashlib
import inspect
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

import hypothesis
import pytest
import redis

from tests.gateway.fixtures import gateway, shared_gateway, started
from tests.kafka.jars import FETCH_TIMEOUT_S, jars_folder
from tests.kafka.servers import SERVED_BY, WORKER_SERVED_BY, kafka_broker, kafka_servers, new_topic, shared_kafka_broker
from tests.parts.bound import bound, end_with_parent
from tests.parts.browser import browser, page, page_watch, shared_browser
from tests.parts.machine import PARTS, ROOT, required_parts
from tests.parts.missing import REQUIRED, missing
from tests.parts.pace import measure_from_now_on
from tests.parts.progress import print_by_module
from tests.parts.redis_server import RedisServer, emptied
from tests.state.fixtures import any_redis_url, old_redis_url, shared_old_redis_url

__all__ = [
    "any_redis_url",
    "browser",
    "gateway",
    "kafka_broker",
    "kafka_servers",
    "new_topic",
    "old_redis_url",
    "page",
    "page_watch",
    "shared_browser",
    "shared_gateway",
    "shared_kafka_broker",
    "shared_old_redis_url",
    "started",
]

FIXTURE_PARTS: Final = {
    "redis_url": "redis",
    "redis_server": "redis",
    "browser": "chromium",
    "node_packages": "node",
    "kafka_broker": "kafka",
}
KAFKA_FIXTURES: Final = frozenset({"kafka_broker", "kafka_servers", "shared_kafka_broker"})
STARTED_FOR_A_TEST: Final = frozenset({"browser", "kafka_broker", "redis_server"})
NODE_INSTALL_TIMEOUT_S: Final = 240
BUSY: Final = 5
"""A busy machine takes so many times as long as pytest-timeout gives a test; what takes longer hangs."""


# Hundreds of processes are started here: none of them, nor any process of this run, compiles our sources again.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# No deadline an example: a busy machine is no failure, and pytest-timeout ends what hangs.
hypothesis.settings.register_profile("zhiyin", deadline=None, print_blob=True)
hypothesis.settings.load_profile("zhiyin")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read ZHIYIN_REQUIRE once (a name that is no part ends the run); a worker process ends with who prints."""
    if hasattr(config, "workerinput"):
        end_with_parent()
    print_by_module(config)
    measure_from_now_on()
    try:
        config.stash[REQUIRED] = required_parts(os.environ)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Longest modules first; time for tests that may have to install Node packages, or to fetch Kafka's jars.

    Processes take modules in this order: a long one that began as the last would keep one of them alone.
    """
    likely_s: Counter[Path] = Counter()
    for item in items:
        likely_s[item.path] += _likely_s(item)
    items.sort(key=lambda item: -likely_s[item.path])
    jars_are_here = jars_folder().is_dir()
    for item in items:
        given_s = _timeout_s(item)
        if "node_packages" in _fixtures(item):
            given_s = max(given_s, NODE_INSTALL_TIMEOUT_S + 60)
        elif KAFKA_FIXTURES.intersection(_fixtures(item)) and not jars_are_here:
            given_s = max(given_s, FETCH_TIMEOUT_S + 120)
        item.add_marker(pytest.mark.timeout(BUSY * given_s), append=False)  # the first one counts


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or fail, a test whose parts are not here."""
    for part in _parts(item):
        reason = PARTS[part]() if part in PARTS else f"no such part; known: {', '.join(PARTS)}"
        if part not in PARTS:
            pytest.fail(f"requires({part!r}): {reason}", pytrace=False)
        if reason is not None:
            missing(item.config, part, reason)


class WorkerNode(Protocol):
    """A process of a run in several, as the one that prints knows it; it may have said nothing at its end."""

    config: pytest.Config


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: WorkerNode) -> None:
    """What a worker process of this run says at its end."""
    output = getattr(node, "workeroutput", {})
    if WORKER_SERVED_BY in output:
        node.config.stash[SERVED_BY] = output[WORKER_SERVED_BY]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print who was Kafka, one line for each part that was missing, and each other skip with its reason."""
    if SERVED_BY in config.stash:
        terminalreporter.write_line(f"tests of Kafka were served by {config.stash[SERVED_BY]}")
    missing_parts: Counter[tuple[str, str]] = Counter()
    others: list[str] = []
    for report in terminalreporter.getreports("skipped"):
        why = (report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)).strip()
        part, _, reason = why.removeprefix("Skipped: ").partition(": ")
        if part in PARTS and reason:
            missing_parts[part, reason] += 1
        else:
            others.append(f"not run: {report.nodeid} ({why.removeprefix('Skipped: ')})")
    for (part, reason), count in sorted(missing_parts.items()):
        tests = "1 test" if count == 1 else f"{count} tests"
        terminalreporter.write_line(f"not run on this machine: {part} ({reason}): {tests}", yellow=True)
    for line in others:
        terminalreporter.write_line(line, yellow=True)


def _likely_s(item: pytest.Item) -> int:
    """About how long it takes: who is given more time than others needs it, who has a part of its own waits for it."""
    if item.get_closest_marker("timeout") is not None:
        return 20
    if STARTED_FOR_A_TEST.intersection(_fixtures(item)):
        return 3
    return int(
        isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function)
    )  # these wait for sockets


def _timeout_s(item: pytest.Item) -> float:
    marker = item.get_closest_marker("timeout")
    return float(item.config.getini("timeout") if marker is None else marker.args[0])


def _fixtures(item: pytest.Item) -> list[str]:
    return list(item.fixturenames) if isinstance(item, pytest.Function) else []


def _parts(item: pytest.Item) -> list[str]:
    marked = [str(part) for marker in item.iter_markers("requires") for part in marker.args]
    by_fixture = [FIXTURE_PARTS[name] for name in _fixtures(item) if name in FIXTURE_PARTS]
    return list(dict.fromkeys(marked + by_fixture))


@pytest.fixture(scope="session")
def shared_redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Redis for the whole run: ZHIYIN_TEST_REDIS_URL, else a child of ours."""
    given = os.environ.get("ZHIYIN_TEST_REDIS_URL")
    if given:
        worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
        yield urlsplit(given)._replace(path=f"/{worker}").geturl()  # each process of a run empties its own database
        return
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@pytest.fixture
def redis_url(shared_redis_url: str) -> str:
    """The address of a real Redis whose database is empty as the test begins."""
    return emptied(shared_redis_url)


@pytest.fixture
def redis_server(tmp_path: Path) -> Generator[RedisServer]:
    """A running Redis of this test's own, append-only, that it may ``stop()``, ``kill()`` and ``start()`` again."""
    directory = tmp_path / "redis"
    directory.mkdir()
    with RedisServer(directory, append_only=True) as server:
        yield server


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[redis.Redis]:
    """A client of this test's own Redis; it may be stopped and started under it."""
    with redis.Redis.from_url(redis_server.url) as connected:
        yield connected


@pytest.fixture(scope="session")
def node_packages(pytestconfig: pytest.Config) -> Path:
    """The folder that holds ``node_modules`` with what tests/node/package-lock.json pins, installed once."""
    source = ROOT / "tests" / "node"
    lock = source / "package-lock.json"
    folder = ROOT / "var" / "node" / hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock_file:  # processes of one run install it once
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        if not (folder / "installed").is_file():
            _install_node_packages(source, folder, pytestconfig)
    return folder


def _install_node_packages(source: Path, folder: Path, pytestconfig: pytest.Config) -> None:
    for file in (source / "package-lock.json", source / "package.json"):
        shutil.copy(file, folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    answer = subprocess.run(
        bound(command), cwd=folder, capture_output=True, text=True, timeout=NODE_INSTALL_TIMEOUT_S, check=False
    )
    if answer.returncode != 0:
        missing(pytestconfig, "node", f"npm ci ended with {answer.returncode}: {answer.stderr.strip()[-300:]}")
    (folder / "installed").touch()
