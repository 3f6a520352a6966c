"""``zhiyin dead-letters``: what was refused, why, and the way back to the bus.

In: settings and what was typed. Out: text on stdout, progress on stderr, an exit code.
Refused: an id that is no letter's (``LetterMissing``), a redrive that nobody agreed to (``RedriveNotAgreed``), one
that the bus or Redis ended (``RedriveStopped``).
"""

import argparse
import asyncio
import itertools
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from config import Settings
from state.bus.protocol import BusFull
from state.dead_letters.store import END_OF_TIME_MS, DeadLetterStore, ListedLetter, TimeSpan
from state.redis.connections import StoreUnavailable
from zhiyin.admin import dead_letter_text
from zhiyin.admin.dead_letter_source import opened_redriver, opened_store
from zhiyin.console.errors import LetterMissing, RedriveNotAgreed, RedriveStopped
from zhiyin.console.progress import Progress

LETTERS_A_STEP: Final = 100


class RedrivePlan(msgspec.Struct):
    """What a redrive is going to do. ``letters``: ids of those that go, oldest first, with their kind.

    ``span``: where they were looked for.
    """

    span: TimeSpan
    letters: dict[str, str] = msgspec.field(default_factory=dict)
    redriven_before: int = 0
    foreign: int = 0

    def add(self, letter: ListedLetter) -> None:
        """One more letter that was asked for."""
        if letter.letter is None:
            self.foreign += 1
        elif letter.redriven_ms is not None:
            self.redriven_before += 1
        else:
            self.letters[letter.id] = dead_letter_text.kind_of(letter)

    @property
    def going(self) -> str:
        """``3 letters (unknown_step 2, not_json 1)``."""
        count = len(self.letters)
        kinds = f" ({dead_letter_text.counts_in_words(Counter(self.letters.values()))})" if count else ""
        return dead_letter_text.letters_in_words(count) + kinds

    @property
    def left_out(self) -> str:
        """A line on what does not go, and why; nothing when all goes."""
        why = {"redriven before": self.redriven_before, "not written by Zhiyin": self.foreign}
        text = ", ".join(f"{count:,} {reason}" for reason, count in why.items() if count)
        return f"left out: {text}\n" if text else ""


def run_dead_letters(settings: Settings, chosen: argparse.Namespace) -> int:
    """Carry out one action; the exit code. Raises CommandFailure, StoreUnavailable."""
    if chosen.action == "redrive":
        refuse_unclear(chosen)
    with opened_store(settings) as store:
        return _ACTIONS[chosen.action](settings, store, chosen)


def list_letters(_settings: Settings, store: DeadLetterStore, chosen: argparse.Namespace) -> int:
    """``zhiyin dead-letters list``."""
    letters = _wanted(store.letters(span_of(chosen, now_ms()), newest_first=True), chosen.kind)
    if chosen.json:
        for letter in itertools.islice(letters, chosen.limit):
            sys.stdout.buffer.write(msgspec.json.encode(dead_letter_text.row(letter)) + b"\n")
        return 0
    newest, counts, redriven = _looked_at(letters, chosen.limit)
    if not newest:
        sys.stdout.write("no dead letters\n")
        return 0
    total = dead_letter_text.letters_in_words(counts.total())
    shown = f", the newest {len(newest):,} above" if counts.total() > len(newest) else ""
    sys.stdout.write(
        f"{dead_letter_text.table(newest, now_ms())}\n{dead_letter_text.summary(counts, redriven)}{total}{shown}\n"
    )
    return 0


def show_letter(_settings: Settings, store: DeadLetterStore, chosen: argparse.Namespace) -> int:
    """``zhiyin dead-letters show``."""
    [letter] = _named(store, [chosen.id])
    if chosen.raw:
        sys.stdout.buffer.write(letter.document if letter.letter is None else letter.letter.raw)
    elif chosen.json:
        sys.stdout.write(dead_letter_text.pretty(letter.document) + "\n")
    else:
        sys.stdout.write(dead_letter_text.whole(letter, now_ms()))
    return 0


def redrive_letters(settings: Settings, store: DeadLetterStore, chosen: argparse.Namespace) -> int:
    """``zhiyin dead-letters redrive``."""
    plan = _plan(store, chosen)
    if chosen.dry_run or not plan.letters:
        verb = "would redrive" if chosen.dry_run else "redriven"
        sys.stdout.write(f"{verb}: {plan.going}\n{plan.left_out}")
        return 0
    if not (chosen.yes or chosen.ids):
        _agree(plan)
    went = asyncio.run(_redrive(settings, store, plan, chosen))
    meanwhile = len(plan.letters) - went
    sys.stdout.write(f"redriven: {plan.going}\n{plan.left_out}")
    if meanwhile:
        sys.stdout.write(f"of them {meanwhile:,} not by us: redriven or gone meanwhile\n")
    store.forget_gone()
    return 0


def refuse_unclear(chosen: argparse.Namespace) -> None:
    """Ends the program (exit code 2) unless it is clear which letters are to go."""
    ways = [bool(chosen.ids), chosen.kind is not None, chosen.all]
    if sum(ways) != 1:
        chosen.refuse("expected one of: IDs, --kind K, --all; 'zhiyin dead-letters list' shows them")
    if chosen.ids and (chosen.since or chosen.until):
        chosen.refuse("--since and --until go with --kind or --all, not with IDs")


def span_of(chosen: argparse.Namespace, at_ms: int) -> TimeSpan:
    """The span that ``--since`` and ``--until`` mean now."""
    since, until = chosen.since, chosen.until
    return TimeSpan(0 if since is None else since(at_ms), END_OF_TIME_MS if until is None else until(at_ms))


def now_ms() -> int:
    """The clock, epoch ms."""
    return time.time_ns() // 1_000_000


def _wanted(letters: Iterator[ListedLetter], kind: str | None) -> Iterator[ListedLetter]:
    with Progress("letters", None, unless_done_in_s=1.0) as progress:
        for letter in letters:
            progress.step()
            if kind is None or dead_letter_text.kind_of(letter) == kind:
                yield letter


def _looked_at(letters: Iterable[ListedLetter], limit: int) -> tuple[list[ListedLetter], Counter[str], Counter[str]]:
    """The first few, and all counted by kind: those there are, those redriven."""
    first: list[ListedLetter] = []
    counts: Counter[str] = Counter()
    redriven: Counter[str] = Counter()
    for letter in letters:
        kind = dead_letter_text.kind_of(letter)
        counts[kind] += 1
        redriven[kind] += letter.redriven_ms is not None
        if len(first) < limit:
            first.append(letter)
    return first, counts, redriven


def _named(store: DeadLetterStore, ids: Sequence[str]) -> list[ListedLetter]:
    """The letters of these ids, each once, oldest first. Raises LetterMissing."""
    letters = {letter_id: store.letter(letter_id) for letter_id in ids}
    missing = [letter_id for letter_id, letter in letters.items() if letter is None]
    if missing:
        raise LetterMissing(missing)
    return sorted((letter for letter in letters.values() if letter is not None), key=_order)


def _order(letter: ListedLetter) -> tuple[int, list[int]]:
    """By time of writing, then by the numbers in the id."""
    return letter.written_ms, [int(number) for number in re.findall(r"[0-9]+", letter.id)]


def _plan(store: DeadLetterStore, chosen: argparse.Namespace) -> RedrivePlan:
    plan = RedrivePlan(span_of(chosen, now_ms()))
    letters = _named(store, chosen.ids) if chosen.ids else _wanted(store.letters(plan.span), chosen.kind)
    for letter in letters:
        plan.add(letter)
    return plan


def _agree(plan: RedrivePlan) -> None:
    """Asks, where somebody is there to answer. Raises RedriveNotAgreed."""
    if not sys.stdin.isatty():
        raise RedriveNotAgreed(plan.going, "nobody to ask: standard input is no terminal")
    sys.stderr.write(f"Redrive {plan.going}? [y/N] ")
    sys.stderr.flush()
    answer = sys.stdin.readline().strip()
    if answer.lower() not in {"y", "yes"}:
        raise RedriveNotAgreed(plan.going, f"the answer {answer!r}")


async def _redrive(settings: Settings, store: DeadLetterStore, plan: RedrivePlan, chosen: argparse.Namespace) -> int:
    went = 0
    async with opened_redriver(settings) as redriver:
        with Progress("redrive", len(plan.letters)) as progress:
            for step in _steps(_going(store, plan, chosen)):
                try:
                    went += await redriver.redrive(step, now_ms())
                except (BusFull, StoreUnavailable) as error:
                    raise RedriveStopped(went, len(plan.letters), error) from error
                progress.step(len(step))
    return went


def _going(store: DeadLetterStore, plan: RedrivePlan, chosen: argparse.Namespace) -> Iterator[ListedLetter]:
    """The letters of the plan, read once more: all of them at once may be more than memory holds."""
    if chosen.ids:
        yield from _named(store, list(plan.letters))
        return
    for letter in store.letters(plan.span):
        if letter.id in plan.letters:
            yield letter


def _steps(letters: Iterator[ListedLetter]) -> Iterator[list[ListedLetter]]:
    while step := list(itertools.islice(letters, LETTERS_A_STEP)):
        yield step


_ACTIONS: Final[Mapping[str, Callable[[Settings, DeadLetterStore, argparse.Namespace], int]]] = {
    "list": list_letters,
    "show": show_letter,
    "redrive": redrive_letters,
}
