"""``python -m tests.conformance URL``: tries every promise of ``zhiyin.desk.v1`` and prints a table."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from typing import Final

from tests.conformance import conversation, delivery
from tests.conformance.case import PromiseCase, outcome, table
from tests.conformance.target import Target

SECRET: Final = "ZHIYIN_TOKEN_SECRET"
CASES: Final[Sequence[PromiseCase]] = [case for group in (*conversation.GROUPS, *delivery.GROUPS) for case in group]


def main(words: Sequence[str] | None = None) -> int:
    """What the command line asks for; 1 when a promise is broken."""
    chosen = _parser().parse_args(words)
    secret = os.environ.get(SECRET)
    if not secret:
        sys.stderr.write(f"conformance: {SECRET}: found nothing, expected the secret that the gateway's tokens have\n")
        return 2
    return asyncio.run(_try_all(chosen, secret))


async def _try_all(chosen: argparse.Namespace, secret: str) -> int:
    async def restart() -> None:
        process = await asyncio.create_subprocess_shell(chosen.restart)
        await process.wait()

    target = Target(chosen.url, secret, chosen.redis, restart if chosen.restart else None)
    outcomes = []
    for case in CASES:
        outcomes.append(await outcome(case, target))
        _say(table(outcomes[-1:]).splitlines()[0])
    _say("\n" + table(outcomes).splitlines()[-1])
    return 1 if any(each.verdict == "BROKEN" for each in outcomes) else 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance",
        description=f"Tries what zhiyin.desk.v1 promises, from outside, with desks of its own. Tokens: {SECRET}.",
    )
    parser.add_argument("url", metavar="URL", help="the desk websocket, such as ws://127.0.0.1:8081")
    parser.add_argument("--redis", metavar="URL", help="its Redis; without it what needs hints is not tried")
    parser.add_argument("--restart", metavar="COMMAND", help="restarts the gateway; without it no drain is tried")
    return parser


if __name__ == "__main__":
    sys.exit(main())
