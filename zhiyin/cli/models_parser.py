"""What may be typed after ``zhiyin models``, and the words that explain it.

In: the parser's commands, and how this program makes one. Out: three actions more.
Refused (exit code 2): an unknown action or option, a rollback to nothing in particular.
"""

import argparse
from typing import TYPE_CHECKING, Final

from zhiyin.console.argument_types import Making, count

DOES: Final = "look at what has been learnt, and go back to an earlier version of it"
MORE: Final = """\
The engine saves each journey's models every models_every_s seconds, and when it stops, in state_dir/models: a
version a file, with checksum, training span and figures. It goes on from its snapshots when it is started again; it
begins with the newest version where there are none, and with the pinned version where one is pinned.

  1. zhiyin models list               versions, their training span, how good they were
  2. zhiyin models show 12            one version whole
  3. zhiyin models rollback 12        every start begins with version 12 from now on; restart the engine
  4. zhiyin models rollback --release what is learnt next is kept again

Needs the settings that the engine has (state_dir), on the machine it runs on."""

if TYPE_CHECKING:
    from zhiyin.console.argument_types import Commands


def add_actions(actions: "Commands", make: Making) -> None:
    """``list``, ``show`` and ``rollback``; ``make(actions, name, does, more, *examples)`` makes one."""
    _list(actions, make)
    _show(actions, make)
    _rollback(actions, make)


def _list(actions: "Commands", make: Making) -> None:
    parser = make(
        actions,
        "list",
        "the versions as a table, oldest first",
        "Figures are those of the model that led on 'does the attempt never complete?' when the version was\n"
        "saved; each prediction was scored before its outcome was learnt. BETTER BY is the log loss of the base\n"
        "rate of step and checkpoint, less the model's. What is wrong with a file that can't be used is said.",
        "zhiyin models list",
        "zhiyin models list --journey policy_loan --json | jq -r .version",
    )
    _journey(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for programs")


def _show(actions: "Commands", make: Making) -> None:
    parser = make(
        actions,
        "show",
        "one version: where it comes from, and the figures of each of its models",
        "",
        "zhiyin models show 12",
        "zhiyin models show 12 --journey policy_loan --json",
    )
    parser.add_argument("version", metavar="VERSION", type=count, help="a version, as 'list' names it")
    _journey(parser)
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")


def _rollback(actions: "Commands", make: Making) -> None:
    parser = make(
        actions,
        "rollback",
        "pin a version: from now on every start of the engine begins with it",
        "Nothing changes in an engine that runs: restart it. It goes on learning from the pinned version, and\n"
        "newer versions are kept; the next start begins with the pinned one again, until it is released.",
        "zhiyin models rollback 12 --journey policy_loan",
        "zhiyin models rollback --release --journey policy_loan",
    )
    to = parser.add_mutually_exclusive_group(required=True)
    to.add_argument("version", metavar="VERSION", type=count, nargs="?", help="a version, as 'list' names it")
    to.add_argument("--release", action="store_true", help="pin none any more")
    _journey(parser)


def _journey(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--journey", metavar="J", help="of this journey (default: the only one that has models)")
