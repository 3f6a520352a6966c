import subprocess
import sys

from tests.parts.bound import bound
from tests.parts.machine import ROOT
from zhiyin.cli.command_reference import reference_page, subcommands
from zhiyin.cli.parser import command_parser

PAGE = ROOT / "docs" / "reference" / "command-line.md"


def test_the_page_is_what_the_program_prints() -> None:
    """Word by word: where lines end differs between versions of argparse."""
    again = "run: python -m zhiyin.cli.command_reference > docs/reference/command-line.md"
    assert PAGE.read_text("utf-8").split() == reference_page().split(), again


def test_it_is_printed_the_same_on_a_narrow_terminal() -> None:
    answer = subprocess.run(
        bound([sys.executable, "-m", "zhiyin.cli.command_reference"]),
        env={"COLUMNS": "40", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout == reference_page()


def test_every_command_and_every_option_is_explained() -> None:
    commands = subcommands(command_parser())
    assert list(commands) == [
        *(
            "up",
            "engine",
            "gateway",
            "replay",
            "evaluate",
            "check",
            "simulate",
            "dead-letters",
            "erase",
            "audit",
            "models",
            "doctor",
            "token",
            "version",
        )
    ]
    actions = subcommands(commands["dead-letters"])
    assert list(actions) == ["list", "show", "redrive"]
    assert list(subcommands(commands["models"])) == ["list", "show", "rollback"]
    for parser in (*commands.values(), *actions.values()):
        assert parser.description
        assert all(action.help for action in parser._actions)  # noqa: SLF001 - argparse has no other way to ask
