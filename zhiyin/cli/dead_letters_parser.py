"""What may be typed after ``zhiyin dead-letters``, and the words that explain it.

In: the parser's commands, and how this program makes one. Out: three actions more.
Refused (exit code 2): an unknown action or option, a redrive of nothing in particular.
"""

import argparse
from typing import TYPE_CHECKING, Final

from zhiyin.console.argument_types import Making, count, moment

SHOWN_LETTERS: Final = 20
DOES: Final = "look at events that could not be taken, and redrive them"
MORE: Final = """\
An event that was accepted and then could not be taken by the engine becomes a dead letter: whole, with
every reason. Usually the website knows a journey or a step that the catalogue does not. So:

  1. zhiyin dead-letters list          what was refused, how often, where
  2. zhiyin dead-letters show ID       one letter whole, and what to do about it
  3. mend the catalogue, 'zhiyin check', restart the engine
  4. zhiyin dead-letters redrive ...   the events go back on the bus as they came, with the time they had

Needs REDIS_URL, and the settings that engine and gateway have. Letters stay where they are; those that were
redriven are marked and never go twice. What is refused again becomes a new letter."""

if TYPE_CHECKING:
    from zhiyin.console.argument_types import Commands


def add_actions(actions: "Commands", make: Making) -> None:
    """``list``, ``show`` and ``redrive``; ``make(actions, name, does, more, *examples)`` makes one."""
    _list(actions, make)
    _show(actions, make)
    _redrive(actions, make)


def _list(actions: "Commands", make: Making) -> None:
    parser = make(
        actions,
        "list",
        "the newest letters as a table, and all of them by kind",
        "ID is where the letter is kept; 'where' is the path that was wrong and what was found there.\n"
        "Times are UTC. A letter that was redriven stays in the list, with a mark.",
        "zhiyin dead-letters list",
        "zhiyin dead-letters list --kind unknown_step --since 2h",
        "zhiyin dead-letters list --json --limit 1000 | jq -r .found | sort | uniq -c",
    )
    parser.add_argument("--kind", metavar="K", help="only letters of this kind, such as unknown_step")
    _span(parser)
    parser.add_argument(
        "--limit", metavar="N", type=count, default=SHOWN_LETTERS, help="how many, newest first (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for programs; no counts by kind")


def _show(actions: "Commands", make: Making) -> None:
    parser = make(
        actions,
        "show",
        "one letter whole, and what to do about it",
        "What would do something to a terminal is written as \\uNNNN.",
        "zhiyin dead-letters show 1767603600123-0",
        "zhiyin dead-letters show 1767603600123-0 --raw > event.json",
    )
    parser.add_argument("id", metavar="ID", help="a letter, as 'list' names it")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--json", action="store_true", help="only the letter as it was written, JSON")
    only.add_argument("--raw", action="store_true", help="only the event, byte for byte as it came")


def _redrive(actions: "Commands", make: Making) -> None:
    parser = make(
        actions,
        "redrive",
        "put letters' events back on the bus, each once",
        "Events go back as they came, oldest first, with the corrected time they had: what broke off then is told\n"
        "as such at once. A letter that was redriven before is left out, and so is what comes while this runs.\n"
        "Interrupted, or the bus full: run it again, and it goes on where it stopped.",
        "zhiyin dead-letters redrive 1767603600123-0 1767603600124-0",
        "zhiyin dead-letters redrive --kind unknown_step --dry-run",
        "zhiyin dead-letters redrive --kind unknown_step --since 7d --yes",
        "zhiyin dead-letters list --json | jq -r .id | xargs zhiyin dead-letters redrive",
    )
    parser.add_argument("ids", metavar="ID", nargs="*", help="letters, as 'list' names them")
    parser.add_argument("--kind", metavar="K", help="all letters of this kind")
    parser.add_argument("--all", action="store_true", help="all letters")
    _span(parser)
    parser.add_argument("--dry-run", action="store_true", help="only say what would go")
    parser.add_argument("--yes", action="store_true", help="do not ask (--kind and --all ask at a terminal)")
    parser.set_defaults(refuse=parser.error)


def _span(parser: argparse.ArgumentParser) -> None:
    shapes = "2h ago as 2h, or 2026-05-04T11:59:00Z"
    parser.add_argument("--since", metavar="T", type=moment, help=f"only letters written since then: {shapes}")
    parser.add_argument("--until", metavar="T", type=moment, help="only letters written before then")
