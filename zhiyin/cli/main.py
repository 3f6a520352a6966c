"""The command line: what may be typed, explained; what is typed, carried out.

In: arguments. Out: an exit code: 0 done, 1 it could not be done, 2 the command, the settings
or the catalogue is wrong. What went wrong is said on stderr in words; the traceback only
with ``--debug`` or setting log_level debug.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Final

from zhiyin.cli.parser import command_parser
from zhiyin.console.terminal import say

FAILED: Final = 1
WRONG: Final = 2
INTERRUPTED: Final = 130
ROOMS: Final = frozenset(("operators", "config", "state", "flows", "gateway", "zhiyin"))
"""Errors of our own say themselves what to do; others are unexpected."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command line (None: that of this process); the exit code."""
    chosen = command_parser().parse_args(arguments)
    try:
        return run(chosen)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:  # noqa: BLE001 - the last place that can turn an error into words
        if chosen.debug or _debug_is_set():
            traceback.print_exception(error)
        return report_error(chosen.command, error)


def run(chosen: argparse.Namespace) -> int:
    """The command that was chosen; its room is imported only now, so that --help is quick."""
    from zhiyin.cli import commands

    carry_out: Callable[[argparse.Namespace], int] = getattr(commands, chosen.command.replace("-", "_"))
    return carry_out(chosen)


def report_error(command: str, error: Exception) -> int:
    """Say what went wrong; the exit code it means."""
    from config import ConfigurationError

    if isinstance(error, ConfigurationError):
        say(f"zhiyin {command}: {error}" if len(error.problems) == 1 else f"zhiyin {command}:\n{error}")
        return WRONG
    if isinstance(error, OSError) or type(error).__module__.partition(".")[0] in ROOMS:
        say(f"zhiyin {command}: {error}")
    else:
        say(f"zhiyin {command}: unexpected {type(error).__name__}: {error}; run it with --debug to see where")
    return FAILED


def _debug_is_set() -> bool:
    from config import ConfigurationError, load_settings

    try:
        return load_settings().log_level == "debug"
    except ConfigurationError:
        return False
