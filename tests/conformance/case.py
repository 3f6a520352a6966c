"""One thing that the protocol promises, and the table of what came of trying all of them.

In: cases and a target. Out: an ``CaseOutcome`` a case, and the table. Refused: nothing; a case that cannot be tried for
want of something (a Redis to tell hints with, a way to restart) is told as such, never as good.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, NamedTuple

from tests.conformance.target import BrokenTarget, Target

HINTS: Final = "a Redis to tell hints with"
RESTART: Final = "a way to restart the gateway"
PLAIN: Final = "plain ws://"
_AT_MOST_S: Final = 300.0

Try = Callable[[Target], Awaitable[None]]


class PromiseCase(NamedTuple):
    """``group`` and ``name``; ``needs``: of the target, beside its URL and the secret."""

    group: str
    name: str
    needs: tuple[str, ...]
    tried: Try


class CaseOutcome(NamedTuple):
    """``verdict``: ok, BROKEN or not tried; ``words``: why."""

    case: PromiseCase
    verdict: str
    words: str
    seconds: float


class Cases(list[PromiseCase]):
    """The cases of one group, gathered by a decorator."""

    def __init__(self, group: str) -> None:
        super().__init__()
        self.group = group

    def promise(self, name: str, *needs: str) -> Callable[[Try], Try]:
        """Add the function below as a case."""

        def add(tried: Try) -> Try:
            self.append(PromiseCase(self.group, name, needs, tried))
            return tried

        return add


def lacking(case: PromiseCase, target: Target) -> str | None:
    """What this target does not have and the case needs; None: nothing."""
    have = {HINTS: target.store is not None, RESTART: target.restart is not None, PLAIN: target.url.startswith("ws://")}
    return next((need for need in case.needs if not have[need]), None)


async def outcome(case: PromiseCase, target: Target) -> CaseOutcome:
    """What comes of trying one case."""
    lack = lacking(case, target)
    if lack is not None:
        return CaseOutcome(case, "not tried", f"needs {lack}", 0.0)
    began_s = time.monotonic()
    try:
        async with asyncio.timeout(_AT_MOST_S):
            await case.tried(target)
    except BrokenTarget as broken:
        return CaseOutcome(case, "BROKEN", str(broken), time.monotonic() - began_s)
    except Exception as error:  # noqa: BLE001 - a gateway may answer with anything; the others are still to be tried
        return CaseOutcome(case, "BROKEN", f"{type(error).__name__}: {error}", time.monotonic() - began_s)
    return CaseOutcome(case, "ok", "", time.monotonic() - began_s)


def table(outcomes: Sequence[CaseOutcome]) -> str:
    """One line an outcome, and the sum."""
    lines = []
    for each in outcomes:
        words = f"   {each.words}" if each.words else ""
        lines.append(f"{each.case.group:10} {each.verdict:9} {each.seconds:6.2f} s  {each.case.name}{words}")
    return "\n".join([*lines, "", ", ".join(_sums(outcomes))])


def _sums(outcomes: Sequence[CaseOutcome]) -> Iterable[str]:
    for verdict in ("ok", "BROKEN", "not tried"):
        yield f"{sum(each.verdict == verdict for each in outcomes)} {verdict}"
