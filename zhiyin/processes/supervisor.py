"""Child processes kept alive together, started and stopped in order.

In: parts (a command, its environment, how to see that it is ready), first to start first.
Out: running processes; one line written for everything that happens to them. A part that
ends is started again, waiting 0.5 s, 1 s, ... 10 s between attempts; a minute of running
resets the wait. Stopping goes backwards: SIGTERM, ten seconds, SIGKILL.
Refused: a part that does not become ready at the start (``PartFailed``; the rest is stopped).

Each part has a process group of its own, so that Ctrl-C reaches only the supervisor,
and is bound to the supervisor's life by the kernel.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

import msgspec

from zhiyin.console.errors import CommandFailure, PartFailed
from zhiyin.processes.parent_death import bound_command

FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 10.0
STEADY_AFTER_S: Final = 60.0
GRACE_S: Final = 10.0
READY_WITHIN_S: Final = 60.0
_LOOK_S: Final = 0.05

ReportLine = Callable[[str], None]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One child. ``ready``: True once it does its work; ``environment`` None: as ours.

    ``orphan_signal``: what the kernel sends it when the supervisor dies; ``held``: opens what the child
    must hold while it lives (a lock), as file descriptors the supervisor gives away.
    """

    name: str
    command: tuple[str, ...]
    ready: Callable[[], bool]
    environment: Mapping[str, str] | None = None
    log: Path | None = None
    orphan_signal: int = signal.SIGKILL
    held: Callable[[], tuple[int, ...]] = tuple


class StopRequest:
    """Whether somebody asked to stop: Ctrl-C, SIGTERM or ``ask``; twice means at once.

    A plain flag and not an Event: a handler that runs while its own thread waits on the Event's lock would hang.
    """

    def __init__(self) -> None:
        self.times = 0

    def __bool__(self) -> bool:
        return self.times > 0

    @property
    def at_once(self) -> bool:
        """Asked again while stopping: no more patience."""
        return self.times > 1

    def ask(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """Ask once (more); fits ``signal.signal``."""
        self.times += 1

    def listen(self) -> None:
        """Take SIGINT, SIGTERM and SIGHUP as requests from now on."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.ask)


class _Child:
    """One part and its present process."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.wait_s = FIRST_WAIT_S
        self.start_due: float | None = None

    def start(self) -> None:
        self.start_due = None
        self.started_at = time.monotonic()
        held = self.part.held()
        try:
            self.process = subprocess.Popen(
                bound_command(os.getpid(), self.part.orphan_signal, self.part.command),
                env=None if self.part.environment is None else dict(self.part.environment),
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr.fileno(),
                pass_fds=held,
                process_group=0,
            )
        finally:
            for descriptor in held:
                os.close(descriptor)

    def ended_with(self) -> int | None:
        """The exit code when the process has ended and no new one is waited for."""
        return None if self.process is None else self.process.poll()

    def signal_all(self, number: int) -> None:
        """``number`` to the part's whole process group."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def next_wait_s(self) -> float:
        """How long to wait before the next start; doubles unless it has run steadily."""
        if time.monotonic() - self.started_at >= STEADY_AFTER_S:
            self.wait_s = FIRST_WAIT_S
        waited, self.wait_s = self.wait_s, min(self.wait_s * 2, LONGEST_WAIT_S)
        return waited


class Supervisor:
    """Starts, watches and stops its parts; see the module."""

    def __init__(self, write_line: ReportLine, stop: StopRequest) -> None:
        self._write_line = write_line
        self._stop = stop
        self._children: list[_Child] = []

    def start(self, parts: Sequence[Part], within_s: float = READY_WITHIN_S) -> bool:
        """Start ``parts`` one after another, each when the one before is ready; none may end meanwhile.

        False when asked to stop meanwhile. Raises PartFailed; what runs by then is still to be stopped.
        """
        for part in parts:
            child = _Child(part)
            self._children.append(child)
            child.start()
            if not self._until_ready(child, within_s):
                return False
        return True

    def watch(self) -> None:
        """Keep the parts running until asked to stop."""
        while not self._stop:
            for child in self._children:
                self._look_after(child)
            time.sleep(_LOOK_S)

    def stop(self) -> None:
        """Stop the parts, last started first; returns when none is left."""
        for child in reversed(self._children):
            self._end(child)
        self._children.clear()

    def processes(self) -> dict[str, int]:
        """Process id by name of the parts that run now."""
        return {
            child.part.name: child.process.pid
            for child in self._children
            if child.process is not None and child.process.poll() is None
        }

    def _until_ready(self, child: _Child, within_s: float) -> bool:
        while not self._stop:
            self._refuse_an_early_end()
            waited_s = time.monotonic() - child.started_at
            if waited_s > within_s:
                raise PartFailed(child.part.name, None, waited_s, child.part.log)
            if child.part.ready():
                self._write_line(f"{child.part.name}: ready after {time.monotonic() - child.started_at:.1f} s")
                return True
            time.sleep(_LOOK_S)
        return False

    def _refuse_an_early_end(self) -> None:
        """Until everything is ready no part may end, not even one that was ready before."""
        for child in self._children:
            code = child.ended_with()
            if code is not None:
                raise PartFailed(child.part.name, code, time.monotonic() - child.started_at, child.part.log)

    def _look_after(self, child: _Child) -> None:
        if child.start_due is not None:
            if time.monotonic() >= child.start_due:
                self._start_again(child)
            return
        code = child.ended_with()
        if code is not None:
            self._again_later(child, how_it_ended(code))

    def _start_again(self, child: _Child) -> None:
        try:
            child.start()
        except (OSError, CommandFailure) as error:
            self._again_later(child, f"can't be started ({error})")
        else:
            self._write_line(f"{child.part.name}: started again")

    def _again_later(self, child: _Child, why: str) -> None:
        wait_s = child.next_wait_s()
        child.start_due = time.monotonic() + wait_s
        self._write_line(f"{child.part.name}: {why}; starting it again in {wait_s:g} s")

    def _end(self, child: _Child) -> None:
        process = child.process
        if process is None or process.poll() is not None:
            return
        child.signal_all(signal.SIGTERM)
        give_up = time.monotonic() + GRACE_S
        while process.poll() is None and time.monotonic() < give_up and not self._stop.at_once:
            time.sleep(_LOOK_S / 2)
        if process.poll() is None:
            why = "asked again" if self._stop.at_once else f"still there {GRACE_S:g} s after SIGTERM"
            self._write_line(f"{child.part.name}: {why}; killed")
            child.signal_all(signal.SIGKILL)
            process.wait()
        else:
            self._write_line(f"{child.part.name}: stopped")


def how_it_ended(code: int) -> str:
    """An exit code in words: ``ended with code 3``, ``killed by SIGKILL``."""
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
