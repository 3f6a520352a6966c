from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path, PurePath

import pytest

from tests.import_rules import (
    LONGEST_MODULE_LINES,
    MOST_MODULES,
    PACKAGE_MAY_IMPORT,
    PRODUCT,
    ROOMS,
    breaches,
    package_arrows,
    package_of,
)
from tests.parts.machine import ROOT

MODULES = sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py"))
PAGES = sorted(
    file
    for room in ROOMS
    for kind in ("*.js", "*.css", "*.html", "*.mjs", "*.sh")
    for file in (ROOT / room).rglob(kind)
    if "node_modules" not in file.parts
)


def test_every_module_keeps_the_rules_of_its_room() -> None:
    found = [
        f"{file.relative_to(ROOT)} {breach}"
        for file in MODULES
        for breach in breaches(file.relative_to(ROOT), file.read_text("utf-8"))
    ]
    assert not found, "\n".join(found)


def test_every_room_has_modules_and_is_a_package() -> None:
    for room in ROOMS:
        assert (ROOT / room / "__init__.py").is_file(), room
    folders = {file.parent for file in MODULES}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_no_page_or_script_is_longer_than_a_module_may_be() -> None:
    long = {str(file.relative_to(ROOT)): lines for file in PAGES if (lines := _lines(file)) > LONGEST_MODULE_LINES}
    assert long == {}


@pytest.mark.parametrize(
    ("room", "source", "expected"),
    [
        ("operators", "import config", "line 1: operators imports config; it may import nothing of ours"),
        ("operators", "from state.redis.keys import BUS", "operators imports state.redis.keys"),
        ("config", "import state", "config imports state; it may import operators"),
        ("state", "import flows.steps.track", "state imports flows.steps.track; it may import config, operators"),
        ("flows", "from gateway import tokens", "flows imports gateway.tokens; it may import config, operators, state"),
        ("gateway", "def late():\n    import flows", "line 2: gateway imports flows"),
        ("gateway", "import zhiyin", "gateway imports zhiyin"),
        ("zhiyin", "import tests.parts.machine", "zhiyin imports tests.parts.machine"),
        ("flows", "from . import track", "relative import '.'"),
        (
            "state",
            "import importlib\nimportlib.import_module('flows.steps.track')",
            "line 2: state imports flows.steps.track",
        ),
        ("operators", "import bytewax.operators", "operators imports bytewax.operators, which belongs in flows"),
        ("gateway", "import redis.asyncio", "gateway imports redis.asyncio, which belongs in state"),
        ("zhiyin", "import yaml", "zhiyin imports yaml, which belongs in config"),
        ("flows", "import confluent_kafka", "flows imports confluent_kafka, which belongs in state"),
        ("flows", "import websockets", "flows imports websockets, which belongs in gateway"),
        ("state", "import river", "state imports river, which belongs in operators"),
        ("state", "import pandas", "state imports pandas, which belongs in no room: it is not in the table"),
        ("operators", "import time", "operators imports time; decisions take time"),
        ("operators", "from random import random", "operators imports random"),
        ("operators", "import logging", "operators imports logging"),
        ("operators", "from datetime import datetime\ndatetime.now()", "line 2: operators reads a clock: .now()"),
        ("operators", "print(1)", "operators calls print()"),
        ("flows", "import os\nos.environ['A']", "line 2: reads the environment (os.environ); only config does"),
        ("zhiyin", "from os import getenv", "reads the environment (os.getenv); only config does"),
        ("tests", "\n" * 401, "the module has 401 lines; at most 400"),
    ],
)
def test_a_planted_breach_is_found(room: str, source: str, expected: str) -> None:
    found = breaches(PurePath(room, "module.py"), source)
    assert len(found) == 1
    assert expected in found[0]


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("operators/tracking", "import msgspec, zlib\nfrom operators.records.events import Event"),
        ("config", "import os, yaml\nos.environ.get('REDIS_URL')"),
        ("state", "import redis\nfrom config.settings.load import Settings"),
        ("flows", "import bytewax.operators\nimport state.bus.protocol"),
        ("gateway", "import websockets, starlette, uvicorn, orjson"),
        ("zhiyin", "import flows, gateway, state, config, operators, os\nos.kill(1, 2)"),
        ("tests", "import redis, yaml, os\nos.environ"),
    ],
)
def test_what_a_room_may_do_is_left_alone(room: str, source: str) -> None:
    assert breaches(PurePath(room, "module.py"), source) == []


@pytest.mark.parametrize(
    ("path", "source", "expected"),
    [
        (
            "operators/records/facts.py",
            "\nfrom operators.hints.hint import Hint",
            "line 2: operators/records -> operators/hints (operators.hints.hint); it may import operators/support",
        ),
        ("state/redis/scripts/__init__.py", "from state.bus import redis", "state/redis -> state/bus"),
        ("gateway/http/app.py", "import gateway.server", "gateway/http -> gateway (gateway.server)"),
        ("config/loader/load.py", "from config import Settings", "config/loader -> config (config.Settings)"),
        ("flows/dataflow.py", "from flows import live", "flows -> flows/live (flows.live)"),
        ("flows/replay/replay.py", "from flows import cluster", "flows/replay -> flows/cluster (flows.cluster)"),
        (
            "state/bus/redis.py",
            "import importlib\nimportlib.import_module(name)",
            "line 2: imports a module whose name is worked out at run time",
        ),
        (
            "flows/newly_made/one.py",
            "from flows.steps import track",
            "flows/newly_made is not in the table of packages",
        ),
    ],
)
def test_a_planted_arrow_between_packages_is_found(path: str, source: str, expected: str) -> None:
    [found] = breaches(PurePath(path), source)
    assert expected in found


def test_no_package_of_a_room_depends_on_itself_by_others() -> None:
    assert len(list(TopologicalSorter(PACKAGE_MAY_IMPORT).static_order())) == len(PACKAGE_MAY_IMPORT)


def test_every_arrow_of_the_table_is_used() -> None:
    drawn = {arrow for file in MODULES for arrow in package_arrows(file.relative_to(ROOT), file.read_text("utf-8"))}
    allowed = {(package, target) for package, targets in PACKAGE_MAY_IMPORT.items() for target in targets}
    assert allowed - drawn == set()


def test_every_package_is_in_the_table_and_small_enough() -> None:
    files = [file.relative_to(ROOT) for file in MODULES if file.name != "__init__.py"]
    counts = Counter(package_of(path) for path in files if path.parts[0] in PRODUCT)
    packages = {package_of(file.relative_to(ROOT)) for file in MODULES if file.relative_to(ROOT).parts[0] in PRODUCT}
    assert packages - {"operators"} == PACKAGE_MAY_IMPORT.keys()
    assert {package: count for package, count in counts.items() if count > MOST_MODULES} == {}


def test_the_rules_know_every_product_room() -> None:
    folders = {file.parent.name for file in Path(ROOT).glob("*/*.py")}
    assert folders == PRODUCT | {"tests", "bench"}


def _lines(file: Path) -> int:
    return len(file.read_text("utf-8").splitlines())
