"""What may be typed after ``zhiyin evaluate``, and the words that explain it.

In: the command's parser. Out: its options. Refused (exit code 2): a value that is none.
"""

import argparse
from pathlib import Path
from typing import Final

from zhiyin.console.argument_types import count

DOES: Final = "how good would the predictions have been on these recordings?"
MORE: Final = """\
Replays recordings through the same dataflow with learning on, from nothing: what the engine would have known,
said and learnt, in the order of the events. Each prediction is scored before its outcome is learnt, so nothing
has seen the future. Printed, and with --out also written as report.json and two pictures:

  predictions    AUC, log loss, Brier score and calibration error by journey, question and checkpoint, beside
                 two baselines: the base rate of step and checkpoint, learnt on the way, and a batch model
                 (LightGBM) trained anew on all that was known at five instants. They are compared on the rows
                 that all three could score; the first sixth is only learnt from
  break-offs     how soon and how surely they are told: the learned decision at several target precisions, and
                 the fixed timeout that would have been right as often
  hints          of those whose transaction broke off, how many completed with and without hints: it says what
                 hints are worth only if they were given when the recording was made, with the same control
                 group; otherwise it shows what chance does

Takes one replay for the predictions, one for the fixed timeouts and one for each target."""
EXAMPLES: Final = (
    "zhiyin evaluate events.ndjson.xz",
    "zhiyin evaluate january.ndjson.xz february.ndjson.xz --catalog my-catalogue/ --out evaluation/",
    "zhiyin evaluate events.ndjson.xz --targets '' --json | jq '.findings[] | select(.span == \"last_third\")'",
)
TARGETS: Final = (0.90, 0.93, 0.95, 0.97, 0.99)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Files, ``--out``, ``--targets``, ``--workers``, ``--json``, ``--quiet``."""
    parser.add_argument(
        "files", metavar="FILE", type=Path, nargs="+", help="NDJSON events, one a line; .gz .xz .zst are opened"
    )
    parser.add_argument(
        "--out", metavar="FOLDER", type=Path, help="where report.json, reliability.png and delay-precision.png go"
    )
    parser.add_argument(
        "--targets",
        metavar="P,P",
        type=targets,
        default=TARGETS,
        help="target precisions to try beside the catalogue's own; '' for none (default: 0.9,0.93,0.95,0.97,0.99)",
    )
    parser.add_argument(
        "--workers",
        metavar="N",
        type=count,
        default=1,
        help="processes, a core each: two are of use, one follows the customers, one decides and learns; same report "
        "(default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="the report as JSON instead of tables")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def targets(text: str) -> tuple[float, ...]:
    """``0.9,0.95``: precisions above 0 and below 1."""
    try:
        precisions = tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        precisions = (0.0,)
    if not all(0 < precision < 1 for precision in precisions):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected precisions above 0 and below 1, as 0.9,0.95")
    return precisions
