"""A progress bar for a person at a terminal; silent anywhere else.

In: what is counted and how many there will be. Out: one line on stderr, redrawn in place.
Refused: nothing.
"""

import sys
import time
from types import TracebackType
from typing import Final, Self

_WIDTH: Final = 30
_REDRAW_S: Final = 0.1


class Progress:
    """``with Progress("visits", 1000) as progress: ... progress.step()``; ``total`` None: nobody knows yet.

    ``unless_done_in_s``: what is quicker than that shows nothing.
    """

    def __init__(self, what: str, total: int | None, *, quiet: bool = False, unless_done_in_s: float = 0.0) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._drawn_at = 0.0
        self._began = time.monotonic()
        self._shown = sys.stderr.isatty() and not quiet
        self._shown_from = self._began + unless_done_in_s

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown and time.monotonic() >= self._shown_from:
            self._draw()
            sys.stderr.write("\n")

    def step(self, more: int = 1) -> None:
        """``more`` are done."""
        self._done += more
        now = time.monotonic()
        if self._shown and now - self._drawn_at > _REDRAW_S and now >= self._shown_from:
            self._draw()

    def _draw(self) -> None:
        self._drawn_at = time.monotonic()
        sys.stderr.write("\r" + bar(self._what, self._done, self._total, self._drawn_at - self._began))
        sys.stderr.flush()


def bar(what: str, done: int, total: int | None, seconds: float) -> str:
    """``visits [#####.....] 50% 500 of 1,000, 3 s``; without a total ``visits 500, 3 s``."""
    if total is None:
        return f"{what} {done:,}, {seconds:.0f} s"
    share = min(1.0, done / total) if total > 0 else 1.0
    filled = "#" * round(share * _WIDTH)
    return f"{what} [{filled:.<{_WIDTH}}] {share:.0%} {done:,} of {total:,}, {seconds:.0f} s"
