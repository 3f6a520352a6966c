"""What would be wrong at start, before anything is started.

In: settings that are well-formed. Out: findings (ok, warn, fail), each with what was found and
what to do. Refused: nothing; a doctor that falls ill helps nobody.
"""

import fcntl
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal

import msgspec

from config import ConfigurationError, Settings, load_catalogue
from zhiyin.admin.versions import installed_version, required_libraries, suits
from zhiyin.console.errors import CommandFailure, KafkaUnfit, RedisMissing
from zhiyin.processes.embedded_redis import redis_executable
from zhiyin.processes.kafka_probe import kafka_report
from zhiyin.processes.ports import why_taken
from zhiyin.processes.redis_probe import RedisReport, redis_report

OLDEST_REDIS: Final = (6, 2)
PYTHONS: Final = ((3, 11), (3, 12))
LITTLE_ROOM_BYTES: Final = 1_000_000_000
NO_ROOM_BYTES: Final = 100_000_000
PORT_SETTINGS: Final = ("http_port", "ws_port", "gateway_metrics_port", "engine_metrics_port")


class Diagnosis(msgspec.Struct, frozen=True):
    """One thing looked at. ``advice``: what to do, empty when it is well."""

    what: str
    state: Literal["ok", "warn", "fail"]
    found: str
    advice: str = ""


def examine(settings: Settings) -> list[Diagnosis]:
    """Look at everything."""
    return [finding for look in _LOOKS for finding in look(settings)]


def printed(findings: list[Diagnosis]) -> str:
    """The findings as a table, and what they mean for the start."""
    width = max(len(finding.what) for finding in findings)
    lines = [
        f"{finding.state:<5} {finding.what:<{width}}  {finding.found}"
        + (f"; {finding.advice}" if finding.advice else "")
        for finding in findings
    ]
    failures = sum(finding.state == "fail" for finding in findings)
    end = f"{failures} would keep Zhiyin from starting" if failures else "nothing keeps Zhiyin from starting"
    return "\n".join([*lines, end, ""])


def _python(_settings: Settings) -> Iterator[Diagnosis]:
    version = ".".join(str(number) for number in sys.version_info[:3])
    if sys.version_info[:2] in PYTHONS:
        yield Diagnosis("Python", "ok", version)
    else:
        yield Diagnosis("Python", "fail", version, "use 3.11 or 3.12 (the engine has no wheels for others)")


def _libraries(_settings: Settings) -> Iterator[Diagnosis]:
    for name, wanted in required_libraries().items():
        version = installed_version(name)
        if version is None:
            yield Diagnosis(name, "fail", "missing", "run 'make setup'")
        elif not suits(version, wanted):
            yield Diagnosis(name, "warn", version, f"tested with {wanted}: run 'make setup'")
        else:
            yield Diagnosis(name, "ok", version)


def _redis(settings: Settings) -> Iterator[Diagnosis]:
    try:
        if settings.redis_url is None:
            yield _own_redis(redis_executable())
        else:
            yield from _named_redis(redis_report(settings.redis_url))
    except RedisMissing as error:
        yield Diagnosis("Redis", "fail", str(error))
    except CommandFailure as error:
        yield Diagnosis("Redis", "fail", str(error))


def _kafka(settings: Settings) -> Iterator[Diagnosis]:
    if settings.bus != "kafka":
        return
    try:
        report = kafka_report(settings)
    except KafkaUnfit as error:
        yield Diagnosis("Kafka", "fail", error.reason)
        return
    brokers = f"{report.brokers} " + ("broker answers" if report.brokers == 1 else "brokers answer")
    if report.brokers < settings.kafka_replication and report.missing:
        advice = f"kafka_replication {settings.kafka_replication} needs as many: topics could not be made"
        yield Diagnosis("Kafka", "fail", brokers, advice)
    else:
        yield Diagnosis("Kafka", "ok", f"{brokers}, client {report.client}")
    for topic, partitions in report.topics.items():
        yield _topic(topic, partitions, settings.bus_partitions)


def _topic(topic: str, partitions: int | None, wanted: int) -> Diagnosis:
    what = f"topic {topic}"
    if partitions is None:
        return Diagnosis(what, "ok", f"not there yet, will be made with {wanted} partitions")
    if partitions != wanted:
        return Diagnosis(what, "fail", f"{partitions} partitions", f"bus_partitions is {wanted}: name another topic")
    return Diagnosis(what, "ok", f"{partitions} partitions")


def _own_redis(executable: str) -> Diagnosis:
    try:
        answer = subprocess.run([executable, "--version"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return Diagnosis("Redis", "fail", f"{executable} can't be run ({error})", "install redis-server")
    versions = [part.removeprefix("v=") for part in answer.stdout.split() if part.startswith("v=")]
    version = versions[0] if versions else "unknown"
    return _old_redis(version) or Diagnosis("Redis", "ok", f"{version}, will be started from {executable}")


def _named_redis(report: RedisReport) -> Iterator[Diagnosis]:
    yield _old_redis(report.version) or Diagnosis("Redis", "ok", f"{report.version} answers")
    if not report.append_only:
        found = "snapshots only" if report.snapshots else "nothing is kept on disk"
        yield Diagnosis("Redis persistence", "warn", found, "set appendonly yes: a restart may lose the bus and hints")
    else:
        yield Diagnosis("Redis persistence", "ok", "append-only")
    evicts = report.maxmemory_bytes > 0 and report.maxmemory_policy != "noeviction"
    found = f"{report.maxmemory_policy}, maxmemory {report.maxmemory_bytes or 'unlimited'}"
    advice = "set maxmemory-policy noeviction: evicted keys are lost events and hints"
    yield Diagnosis("Redis memory", "fail" if evicts else "ok", found, advice if evicts else "")


def _old_redis(version: str) -> Diagnosis | None:
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if len(numbers) == len(OLDEST_REDIS) and numbers < OLDEST_REDIS:
        return Diagnosis("Redis", "fail", version, "use 6.2 or newer")
    return None


def _ports(settings: Settings) -> Iterator[Diagnosis]:
    for name in PORT_SETTINGS:
        number = getattr(settings, name)
        why = why_taken(settings.host, number)
        found = f"{number} on {settings.host}"
        if why is None:
            yield Diagnosis(name, "ok", f"{found}, free")
        else:
            yield Diagnosis(name, "fail", f"{found}: {why}", "stop what listens there, or set another number")


def _catalogue(settings: Settings) -> Iterator[Diagnosis]:
    try:
        catalogue = load_catalogue(settings.catalogue, settings.speed, settings.quiet_hours)
    except ConfigurationError as error:
        found = f"{settings.catalogue}: {len(error.problems)} problems"
        yield Diagnosis("catalogue", "fail", found, "run 'zhiyin check' to see them")
    else:
        found = f"{len(catalogue.journeys)} journeys, {len(catalogue.reasons)} reasons"
        yield Diagnosis("catalogue", "ok", f"{settings.catalogue}: {found}")


def _state_dir(settings: Settings) -> Iterator[Diagnosis]:
    folder = Path(settings.state_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        free_bytes = shutil.disk_usage(folder).free
    except OSError as error:
        yield Diagnosis("state folder", "fail", f"{folder}: {error.strerror}", "set ZHIYIN_STATE_DIR to another one")
        return
    yield Diagnosis("state folder", "ok", f"{folder} can be written to")
    found = f"{free_bytes / 1e9:.1f} GB free in {folder}"
    if free_bytes < NO_ROOM_BYTES:
        yield Diagnosis("disk", "fail", found, "make room: Redis stops taking writes when the disk is full")
    elif free_bytes < LITTLE_ROOM_BYTES:
        yield Diagnosis("disk", "warn", found, "make room soon")
    else:
        yield Diagnosis("disk", "ok", found)


def _recovery_dir(settings: Settings) -> Iterator[Diagnosis]:
    """The engine's own folder, where it has one: it may be on another disk, and is none that a gateway needs."""
    if settings.recovery_dir is None:
        return
    folder = Path(settings.recovery_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        advice = "set ZHIYIN_RECOVERY_DIR to a folder that can be written to, on a file system with locks"
        yield Diagnosis("recovery folder", "fail", f"{folder}: {error.strerror}", advice)
    else:
        yield Diagnosis("recovery folder", "ok", f"{folder} can be written to and locked")


_LOOKS: Final[tuple[Callable[[Settings], Iterator[Diagnosis]], ...]] = (
    _python,
    _libraries,
    _redis,
    _kafka,
    _ports,
    _catalogue,
    _state_dir,
    _recovery_dir,
)
