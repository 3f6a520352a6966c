"""``python -m bench [NAME ...] [--json FILE] [--quick]``: the figures as a report."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.inputs import CACHE
from bench.report import MEASUREMENTS, run
from bench.scale import FULL, QUICK

JSON_FILE: Final = CACHE.parent / "bench.json"


def main(words: Sequence[str] | None = None) -> int:
    """What the command line asks for; the exit code."""
    chosen = _parser().parse_args(words)
    return run(chosen.names or list(MEASUREMENTS), QUICK if chosen.quick else FULL, chosen.json, MEASUREMENTS)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Zhiyin's figures, with this machine's line.")
    names = ", ".join(MEASUREMENTS)
    parser.add_argument("names", metavar="NAME", nargs="*", type=_name, help=f"of {names} (default: all)")
    parser.add_argument("--json", metavar="FILE", type=Path, default=JSON_FILE, help="default: var/bench.json")
    parser.add_argument("--quick", action="store_true", help="smaller and rougher: a minute or two")
    return parser


def _name(word: str) -> str:
    if word not in MEASUREMENTS:
        raise argparse.ArgumentTypeError(f"found {word!r}, expected {', '.join(MEASUREMENTS)}")
    return word


if __name__ == "__main__":
    sys.exit(main())
