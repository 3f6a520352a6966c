"""``python -m zhiyin.cli.command_reference > docs/reference/command-line.md``: the page about the command line.

In: nothing. Out: Markdown, the same on every machine; a test holds the page against it.
"""

import argparse
import sys

from zhiyin.cli.parser import command_parser

_HEAD = """# Command line

Printed from the program itself (`python -m zhiyin.cli.command_reference`); a test keeps this page true.
In a checkout `zhiyin` is `.venv/bin/python -m zhiyin`.

Exit codes: 0 done; 1 it could not be done; 2 the command, the settings or the catalogue is wrong. What went wrong
is one line on stderr that says what, where, what was found, what is expected and what to do; configuration says every
problem at once. `--debug` adds the traceback.

"""


def reference_page() -> str:
    """The whole page."""
    parser = command_parser()
    return _HEAD + _block(parser) + "".join(_section(2, name, command) for name, command in subcommands(parser).items())


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The commands of ``parser`` by name, in their order."""
    actions = parser._subparsers._group_actions if parser._subparsers is not None else []  # noqa: SLF001 - argparse has no other way to ask
    return {name: command for action in actions for name, command in dict(action.choices or {}).items()}


def _section(level: int, name: str, parser: argparse.ArgumentParser) -> str:
    deeper = "".join(
        _section(level + 1, f"{name} {action}", command) for action, command in subcommands(parser).items()
    )
    return f"\n{'#' * level} zhiyin {name}\n\n{_block(parser)}{deeper}"


def _block(parser: argparse.ArgumentParser) -> str:
    return f"```text\n{parser.format_help().rstrip()}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(reference_page())
