"""``python -m bench [NAME ...] [--json FILE] [--quick]``: the figures as a report."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.inputs import CACHE
from bench.report import MEASUREMENTS, ON_REQUEST, run
from bench.scale import FULL, QUICK

JSON_FILE: Final = CACHE.parent / "bench.json"
_ALL: Final = {**MEASUREMENTS, **ON_REQUEST}


def main(words: Sequence[str] | None = None) -> int:
    """What the command line asks for; the exit code."""
    chosen = _parser().parse_args(words)
    return run(chosen.names or list(MEASUREMENTS), QUICK if chosen.quick else FULL, chosen.json, _ALL)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Zhiyin's figures, with this machine's line.")
    names = ", ".join(MEASUREMENTS)
    asked_for = "on request only, for they take long: " + ", ".join(ON_REQUEST)
    help_text = f"of {names} (default: all of these); {asked_for}"
    parser.add_argument("names", metavar="NAME", nargs="*", type=_name, help=help_text)
    parser.add_argument("--json", metavar="FILE", type=Path, default=JSON_FILE, help="default: var/bench.json")
    parser.add_argument("--quick", action="store_true", help="smaller and rougher: a minute or two")
    return parser


def _name(word: str) -> str:
    if word not in _ALL:
        raise argparse.ArgumentTypeError(f"found {word!r}, expected {', '.join(_ALL)}")
    return word


if __name__ == "__main__":
    sys.exit(main())
