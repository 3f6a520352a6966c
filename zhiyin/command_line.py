"""The command line: what may be typed, explained; what is typed, carried out.

In: arguments. Out: an exit code: 0 done, 1 it could not be done, 2 the command, the settings
or the catalogue is wrong. What went wrong is said on stderr in words; the traceback only
with ``--debug``.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Final

from zhiyin.command_parser import command_parser
from zhiyin.terminal import say

DONE: Final = 0
FAILED: Final = 1
WRONG: Final = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command line (None: that of this process); the exit code."""
    chosen = command_parser().parse_args(arguments)
    try:
        return run(chosen)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:  # noqa: BLE001 - the last place that can turn an error into words
        if chosen.debug:
            traceback.print_exception(error)
        return told(chosen.command, error)


def run(chosen: argparse.Namespace) -> int:
    """The command that was chosen; its room is imported only now, so that --help is quick."""
    from zhiyin import commands

    carry_out: Callable[[argparse.Namespace], int] = getattr(commands, chosen.command)
    return carry_out(chosen)


def told(command: str, error: Exception) -> int:
    """Say what went wrong; the exit code it means."""
    from zhiyin.commands import EXPECTED_FAILURES, WRONG_INPUT

    if isinstance(error, WRONG_INPUT):
        say(f"zhiyin {command}: {error}" if "\n" not in str(error) else f"zhiyin {command}:\n{error}")
        return WRONG
    if isinstance(error, EXPECTED_FAILURES):
        say(f"zhiyin {command}: {error}")
    else:
        say(f"zhiyin {command}: unexpected {type(error).__name__}: {error}; run it with --debug to see where")
    return FAILED
