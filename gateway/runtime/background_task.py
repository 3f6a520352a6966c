"""Work that the gateway repeats in the background until it stops.

In: a name, a pause, and one round of the work. Out: rounds, one after the other. Refused: to start a task that runs
already (RuntimeError).

No exception of a round ends the task. A failed round is tried again after a pause that doubles with each failure in a
row, up to a limit; a round that succeeds brings the usual pause back. ``StoreUnavailable`` is an outage: other parts
report it, so it is not counted here, and the pause stays short, so that the store's return is noticed soon. Every other
exception is unexpected: it is counted, and logged with its traceback, each type at most once a minute.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from gateway.runtime.tasks import cancel_and_wait
from state.redis.connections import StoreUnavailable

OUTAGE_LONGEST_S: Final = 2.0
LOGGED_EVERY_S: Final = 60.0
DOUBLED_AT_MOST: Final = 16
"""Keeps the power of two within a float when an outage lasts for days."""

log = logging.getLogger("zhiyin.background")

CountFailure = Callable[[str], None]
"""Counts one failure of the task with this name."""


class Backoff(NamedTuple):
    """Seconds until a failed round is tried again: ``first_s`` after one failure, ``longest_s`` after many."""

    first_s: float = 1.0
    longest_s: float = 30.0

    def pause_s(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row, at least one."""
        return min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, DOUBLED_AT_MOST))


def uncounted(task: str) -> None:
    """Counts no failure: for a part that runs without metrics."""


class BackgroundTask:
    """Runs ``once`` at once and then every ``every_s`` seconds, measured from the end of the round before.

    ``name``: of the asyncio task, in the log and on the metric. ``once``: one round; it may itself wait for work, then
    ``every_s`` is 0. ``failed``: counts an unexpected failure. ``clock_s``: seconds that never go back.
    """

    def __init__(
        self,
        name: str,
        every_s: float,
        once: Callable[[], Awaitable[None]],
        failed: CountFailure = uncounted,
        backoff: Backoff = Backoff(),  # noqa: B008 - it cannot change
        clock_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = name
        self._every_s = every_s
        self._once = once
        self._failed = failed
        self._backoff = backoff
        self._clock_s = clock_s
        self._sleep = sleep
        self._failures = self._outages = 0
        self._logged_s: dict[type[BaseException], float] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin with the first round. Raises RuntimeError when the task runs already."""
        if self._task is not None:
            raise RuntimeError(
                f"background task {self.name}: found it running, expected it stopped: call stop() before start()"
            )
        self._task = asyncio.create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        """Cancel the round or pause under way and wait until it is over; nothing happens where none was started."""
        task, self._task = self._task, None
        if task is not None:
            await cancel_and_wait(task)

    async def finish(self) -> None:
        """Stop, then run one last round. An unexpected failure of it is counted and logged, an outage is not.

        Not for a task whose round waits for work: that would wait for ever.
        """
        await self.stop()
        await self._round()

    async def _run(self) -> None:
        while True:
            await self._sleep(await self._round())

    async def _round(self) -> float:
        """One round; seconds until the next."""
        try:
            await self._once()
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return self._unexpected(error)  # of something that the round waited for; nobody stops this task
        except StoreUnavailable as error:
            log.debug("background task %s waits: %s", self.name, error)
            self._failures, self._outages = 0, self._outages + 1
            return self._later_s(self._outages, OUTAGE_LONGEST_S)
        except Exception as error:  # noqa: BLE001 - whatever a round meets, the next one may succeed
            return self._unexpected(error)
        self._failures = self._outages = 0
        return self._every_s

    def _unexpected(self, error: BaseException) -> float:
        self._failures, self._outages = self._failures + 1, 0
        later_s = self._later_s(self._failures, self._backoff.longest_s)
        self._failed(self.name)
        self._log(error, later_s)
        return later_s

    def _later_s(self, in_a_row: int, longest_s: float) -> float:
        """Not sooner than usual; but work that is done once an hour is not left undone for an hour."""
        return max(min(self._every_s, self._backoff.longest_s), min(longest_s, self._backoff.pause_s(in_a_row)))

    def _log(self, error: BaseException, later_s: float) -> None:
        now_s, kind = self._clock_s(), type(error)
        if now_s - self._logged_s.get(kind, -LOGGED_EVERY_S) < LOGGED_EVERY_S:
            return
        self._logged_s[kind] = now_s
        where = "" if self._task is None else f", next round in {later_s:.1f} s"
        log.error("background task %s failed (%d in a row)%s", self.name, self._failures, where, exc_info=error)
