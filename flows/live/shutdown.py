"""When to stop, and how long that may take.

SIGTERM or SIGINT request a shutdown of this process; in a set it announces that, and the others stop as well: none of
them could go on. What has not stopped in order after ``GRACE_S``, or is requested a second time, is left at its last
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
    """Whether to stop. ``is_signalled``: by a signal to this very process; else by another one of the set."""

    def __init__(self, rendezvous: Rendezvous | None) -> None:
        self.is_signalled = False
        self._requested = threading.Event()
        self._begun = threading.Event()
        self._rendezvous = rendezvous

    def is_set(self) -> bool:
        """Whether to stop."""
        return self._requested.is_set()

    def wait(self, seconds: float) -> None:
        """Waits so long, or until a shutdown is requested."""
        self._requested.wait(seconds)

    def begin(self) -> bool:
        """The dataflow runs, with all its processes; True the first time."""
        first = not self._begun.is_set()
        self._begun.set()
        return first

    def watch(self, over: threading.Event) -> None:
        """Listens until ``over``; leaves the process when stopping takes too long."""
        give_up = float("inf")
        while not over.is_set():
            received = signal.sigtimedwait(_SIGNALS, LOOK_S)
            # A process that was stopped and goes on (SIGCONT) after the time is over is given a record of no signal.
            signalled = received is not None and received.si_signo in _SIGNALS
            if signalled and (self.is_signalled or not self._begun.is_set()):
                reason = "asked again" if self.is_signalled else "nothing had begun"
                self.is_signalled = True
                self._leave(reason)
            others = self._others()
            if others == "broken":
                self._leave("another process of the set has begun anew, so this one does too")
            if signalled or (others == "stopping" and not self.is_set()):
                self.is_signalled = self.is_signalled or signalled
                give_up = min(give_up, time.monotonic() + GRACE_S)
                self._request()
            if time.monotonic() > give_up:
                self._leave(f"not everything had stopped after {GRACE_S:g} s")

    def _others(self) -> RendezvousState:
        try:
            return "together" if self._rendezvous is None else self._rendezvous.state()
        except OSError:
            return "together"  # the folder is away: whoever needs it says so

    def _request(self) -> None:
        if self._rendezvous is not None:
            with suppress(OSError):
                self._rendezvous.announce_shutdown()
        self._requested.set()

    def _leave(self, reason: str) -> None:
        LOG.warning("engine left at once: %s; the next start goes on from the last snapshot", reason)
        logging.shutdown()
        os._exit(0 if self.is_signalled else 1)


@contextmanager
def stop_on_signals(rendezvous: Rendezvous | None) -> Iterator[Shutdown]:
    """Receives SIGTERM and SIGINT in a thread: the main one is inside the engine. ``rendezvous``: the set's."""
    shutdown, over = Shutdown(rendezvous), threading.Event()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    thread = threading.Thread(target=shutdown.watch, args=(over,), name="signals", daemon=True)
    thread.start()
    try:
        yield shutdown
    finally:
        over.set()
        thread.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
