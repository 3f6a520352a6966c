"""When to stop, and how long that may take.

SIGTERM or SIGINT ask this process to stop; in a set of processes it tells the others, and they stop as well: none of
them could go on. What has not stopped in order after ``GRACE_S``, or is asked a second time, is left at its last
snapshot: the next start goes on from there, and reads again what came after it. So is a set in which another process
has begun anew: its machine may have gone without a word.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from flows.cluster.rendezvous import LOOK_S, Rendezvous, RendezvousState

LOG: Final = logging.getLogger("zhiyin.engine")
GRACE_S: Final = 8.0
"""Below the ten seconds that supervisors wait before they kill."""
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Shutdown:
    """Whether to stop. ``told``: by a signal to this very process; else by another one of the set."""

    def __init__(self, meeting: Rendezvous | None) -> None:
        self.told = False
        self._asked = threading.Event()
        self._begun = threading.Event()
        self._meeting = meeting

    def is_set(self) -> bool:
        """Whether to stop."""
        return self._asked.is_set()

    def wait(self, seconds: float) -> None:
        """Waits so long, or until told to stop."""
        self._asked.wait(seconds)

    def begin(self) -> bool:
        """The dataflow runs, with all its processes; True the first time."""
        first = not self._begun.is_set()
        self._begun.set()
        return first

    def watch(self, over: threading.Event) -> None:
        """Listens until ``over``; leaves the process when stopping takes too long."""
        give_up = float("inf")
        while not over.is_set():
            heard = signal.sigtimedwait(_SIGNALS, LOOK_S)
            # A process that was stopped and goes on (SIGCONT) after the time is over is given a record of no signal.
            signalled = heard is not None and heard.si_signo in _SIGNALS
            if signalled and (self.told or not self._begun.is_set()):
                why = "asked again" if self.told else "nothing had begun"
                self.told = True
                self._leave(why)
            others = self._others()
            if others == "broken":
                self._leave("another process of the set has begun anew, so this one does too")
            if signalled or (others == "stopping" and not self.is_set()):
                self.told = self.told or signalled
                give_up = min(give_up, time.monotonic() + GRACE_S)
                self._ask()
            if time.monotonic() > give_up:
                self._leave(f"not everything had stopped after {GRACE_S:g} s")

    def _others(self) -> RendezvousState:
        try:
            return "together" if self._meeting is None else self._meeting.state()
        except OSError:
            return "together"  # the folder is away: whoever needs it says so

    def _ask(self) -> None:
        if self._meeting is not None:
            with suppress(OSError):
                self._meeting.announce_shutdown()
        self._asked.set()

    def _leave(self, why: str) -> None:
        LOG.warning("engine left at once: %s; the next start goes on from the last snapshot", why)
        logging.shutdown()
        os._exit(0 if self.told else 1)


@contextmanager
def stop_on_signals(meeting: Rendezvous | None) -> Iterator[Shutdown]:
    """Hears SIGTERM and SIGINT. A thread waits for them: the main one is inside the engine. ``meeting``: the set's."""
    stopping, over = Shutdown(meeting), threading.Event()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    thread = threading.Thread(target=stopping.watch, args=(over,), name="signals", daemon=True)
    thread.start()
    try:
        yield stopping
    finally:
        over.set()
        thread.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
