"""``python -m tests.chaos``: kills every part again and again, and counts what was not told exactly once."""

import argparse
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.chaos.run import ChaosOutcome, Plan, run
from tests.parts.machine import PARTS
from zhiyin.console.progress import Progress

ABOUT: Final = """\
Runs a whole Zhiyin (engine, gateway, Redis with its append-only file, with --bus kafka a broker too, and a desk that
comes back with its offset) under a stream of customers, and ends its parts with kill -9 at random moments: while they
start, while they work, when a snapshot has just begun, when something is just being told. When all is over, what was
told is held against a brute-force reading of the rules: every fact, every hint on the desk and in the stream, every
hint a chatbot finds. Exactly once each, or the exit code is 1 and what differs is printed.

The last line:  kills N events E expected F missing 0 extra 0 twice 0
  events    different ones that reached the bus
  expected  words that were due: facts, hints told and retired (stream and desk), hints that a chatbot still finds;
            a hint that began and ended while the desk was away counts as told when its end is, as documented
"""
EXAMPLES: Final = """\
examples:
  python -m tests.chaos --kills 20                     a minute or so, on Redis and, where there is Java, on Kafka
  python -m tests.chaos --kills 50 --seed 7 --bus redis --workers 2
  make chaos KILLS=200                                 the long one
A seed gives the same customers and the same kills; the machine's own pace it cannot give.
With --keep the folder of a run that went wrong stays, with the logs of all parts.
"""


def main(words: Sequence[str] | None = None) -> int:
    """What the command line asks for; 0 when nothing was missing, too much or told twice."""
    parser = _parser()
    chosen = parser.parse_args(words)
    reason = PARTS["kafka"]()
    if reason is not None and chosen.bus == "kafka":
        parser.error(
            f"--bus: found kafka, but {reason}; expected redis, or Java and Maven (docs/how-to/run-the-tests.md)"
        )
    if reason is not None:
        _say(f"chaos: on Redis only: {reason}")
        chosen.bus = "redis"
    plans = list(_plans(chosen))
    _say(f"chaos: seed {chosen.seed}; {', '.join(f'{each.kills} kills on {_name(each)}' for each in plans)}")
    outcomes = [_carried_out(plan, chosen.keep) for plan in plans]
    for plan, outcome in zip(plans, outcomes, strict=True):
        if not outcome.verdict.is_good:
            _say(f"\nseed {chosen.seed}, {_name(plan)}: {_counts([outcome])}")
            _say("\n".join(outcome.verdict.lines()))
    _say(_counts(outcomes))
    return 0 if all(outcome.verdict.is_good for outcome in outcomes) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kills", type=_positive, default=20, metavar="N", help="kills altogether (default: 20)")
    parser.add_argument("--seed", default=secrets.token_hex(3), help="of customers and kills (default: a new one)")
    parser.add_argument("--bus", choices=("redis", "kafka", "both"), default="both", help="default: both")
    parser.add_argument("--workers", type=_counts_of, default=(1, 2), metavar="W", help="or W,W; default: 1,2")
    parser.add_argument("--keep", action="store_true", help="keep the folders of runs that went wrong")
    return parser


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a number of 1 or more")
    return int(text)


def _counts_of(text: str) -> tuple[int, ...]:
    return tuple(_positive(each) for each in text.split(","))


def _plans(chosen: argparse.Namespace) -> Iterator[Plan]:
    """The kills shared out over buses and numbers of workers."""
    buses = [bus for bus in ("redis", "kafka") if chosen.bus in (bus, "both")]
    kinds = [(bus, workers) for bus in buses for workers in chosen.workers]
    for number, (bus, workers) in enumerate(kinds):
        kills = chosen.kills // len(kinds) + (number < chosen.kills % len(kinds))
        if kills:
            yield Plan(f"{chosen.seed}/{bus}/{workers}", bus, workers, kills)


def _carried_out(plan: Plan, keep: bool) -> ChaosOutcome:
    folder = Path(tempfile.mkdtemp(prefix="zhiyin-chaos-"))
    with Progress(f"kills on {_name(plan)}", plan.kills) as progress:
        outcome = run(plan, folder / "house", progress.step)
    if keep and not outcome.verdict.is_good:
        _say(f"chaos: the logs are in {folder}")
    else:
        shutil.rmtree(folder)
    return outcome


def _name(plan: Plan) -> str:
    return f"{plan.bus} with {plan.workers} worker{'s' if plan.workers > 1 else ''}"


def _counts(outcomes: Sequence[ChaosOutcome]) -> str:
    verdicts = [outcome.verdict for outcome in outcomes]
    counted = {
        "kills": sum(outcome.kills for outcome in outcomes),
        "events": sum(outcome.events for outcome in outcomes),
        "expected": sum(verdict.expected for verdict in verdicts),
        **{name: sum(len(getattr(each, name)) for each in verdicts) for name in ("missing", "extra", "twice")},
    }
    return " ".join(f"{name} {count}" for name, count in counted.items())


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
