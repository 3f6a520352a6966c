"""What may be typed after ``zhiyin``, and the words that explain it.

In: nothing. Out: an ``argparse`` parser; ``docs/reference/command-line.md`` is printed from it.
Refused (exit code 2): an unknown command or option, a value that is none (``zhiyin.console.argument_types``).
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

from zhiyin.cli import dead_letters_parser, evaluate_parser, models_parser
from zhiyin.console.argument_types import addresses, count, duration, port, positive, whole
from zhiyin.console.version import VERSION

WIDTH: Final = 100


def command_parser() -> argparse.ArgumentParser:
    """Everything that may be typed."""
    parser = argparse.ArgumentParser(
        prog="zhiyin",
        description="Notices the online transaction that breaks off, works out why, and puts the help that fits "
        "in front of whoever meets the customer next.",
        epilog="examples:\n"
        "  zhiyin up --demo                        everything on this machine, with simulated customers\n"
        "  zhiyin check --catalog my-catalogue/    is my catalogue right?\n"
        "  zhiyin replay events.ndjson.zst         what would Zhiyin have said about these events?\n\n"
        "Settings come from the command line, then the environment (ZHIYIN_..., REDIS_URL), then --settings FILE;\n"
        "docs/reference/settings.md lists them. 'zhiyin COMMAND --help' says more about one command.",
        formatter_class=_wide,
    )
    parser.add_argument("--version", action="version", version=f"zhiyin {VERSION}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for add in _COMMANDS:
        add(commands)
    return parser


def _wide(prog: str) -> argparse.HelpFormatter:
    """As wide everywhere, so that the reference page is the same on every machine."""
    return argparse.RawDescriptionHelpFormatter(prog, width=WIDTH, max_help_position=30)


if TYPE_CHECKING:
    from zhiyin.console.argument_types import Commands


def _command(commands: "Commands", name: str, does: str, more: str, *examples: str) -> argparse.ArgumentParser:
    """One command with what every command takes."""
    lines = "\n".join(f"  {example}" for example in examples)
    parser = commands.add_parser(
        name,
        help=does,
        description=f"{does[0].upper()}{does[1:]}.\n\n{more}".strip(),
        epilog=f"examples:\n{lines}" if lines else None,
        formatter_class=_wide,
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback when something goes wrong")
    return parser


def _settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--settings", metavar="FILE", type=Path, help="YAML file of settings")


def _catalogue(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--catalog",
        metavar="F",
        dest="catalogue",
        type=Path,
        help="journey catalogue, a YAML file or a folder of them (default: setting catalogue, config/catalog)",
    )


def _up(commands: "Commands") -> None:
    parser = _command(
        commands,
        "up",
        "run everything on this machine until Ctrl-C",
        "Starts Redis (unless REDIS_URL names one), the engine and the gateway, waits until each is ready, and\n"
        "prints where the desk and chat pages are. A part that crashes is started again. Ctrl-C stops all in order.",
        "zhiyin up --demo                 with simulated customers, 30 times as fast as life",
        "zhiyin up --port 0 --json        free ports, told as one JSON line for a program",
        "REDIS_URL=redis://cache:6379/0 zhiyin up --catalog my-catalogue/",
    )
    parser.add_argument("--demo", action="store_true", help="simulated customers; speed 30, no quiet hours")
    parser.add_argument(
        "--json", action="store_true", help="once ready print one line: http ws redis desk_token write_key ..."
    )
    parser.add_argument(
        "--port", metavar="N", type=port, help="HTTP port; 0: every port a free one (default: setting http_port, 8080)"
    )
    parser.add_argument(
        "--speed", metavar="X", type=positive, help="divide the catalogue's waiting times (default: 1; with --demo 30)"
    )
    parser.add_argument(
        "--customers",
        metavar="N",
        type=count,
        default=120,
        help="simulated customers an hour of their time, with --demo (default: %(default)s)",
    )
    _catalogue(parser)
    _settings(parser)


def _engine(commands: "Commands") -> None:
    parser = _command(
        commands,
        "engine",
        "run the engine: events from the bus, decisions, hints to Redis",
        "One process of a deployment; needs REDIS_URL. SIGTERM stops it with its state kept, within ten seconds.\n"
        "Several processes share the work when each is told all addresses, the same recovery folder (on a volume\n"
        "they share), and which of the addresses is its own. When one goes, all end: start them again together.",
        "REDIS_URL=redis://cache:6379/0 zhiyin engine --recovery /var/lib/zhiyin/recovery",
        "zhiyin engine -i 0 -a 'engine-0:2101;engine-1:2101' --recovery /shared/recovery   on the first machine",
        "zhiyin engine -i 1 -a 'engine-0:2101;engine-1:2101' --recovery /shared/recovery   on the second",
    )
    parser.add_argument(
        "--recovery",
        metavar="DIR",
        type=Path,
        help="folder of the snapshots, made when it is not there (default: setting recovery_dir, else recovery in "
        "state_dir)",
    )
    parser.add_argument(
        "-i",
        "--process-id",
        metavar="INDEX",
        type=whole,
        help="which of the addresses this process is, from 0 (default: setting engine_process_id)",
    )
    parser.add_argument(
        "-a",
        "--addresses",
        metavar="A;A",
        type=addresses,
        help="host:port of every process, the same list for all (default: setting engine_addresses, none: one process)",
    )
    _catalogue(parser)
    _settings(parser)


def _gateway(commands: "Commands") -> None:
    parser = _command(
        commands,
        "gateway",
        "run the gateway: collector, API, pages and the desks' websocket",
        "One process of a deployment; needs REDIS_URL, ZHIYIN_WRITE_KEYS and ZHIYIN_TOKEN_SECRET.",
        "REDIS_URL=redis://cache:6379/0 zhiyin gateway --settings gateway.yaml",
    )
    _settings(parser)


def _replay(commands: "Commands") -> None:
    parser = _command(
        commands,
        "replay",
        "recorded events through the same dataflow, as fast as it goes",
        "Event time decides, as it does live, so a recording gives the facts that the live stream gave. Needs no\n"
        "Redis and no network. Facts are written as NDJSON, one a line: id kind customer_id journey transaction_id\n"
        "step at, and the kind's own fields.",
        "zhiyin replay events.ndjson.xz --out facts.ndjson",
        "zhiyin replay monday.ndjson tuesday.ndjson --emit abandoned,returned --catalog my-catalogue.yaml",
        "zhiyin replay events.ndjson --emit abandoned | jq -r .reason.code | sort | uniq -c",
    )
    parser.add_argument(
        "files", metavar="FILE", type=Path, nargs="+", help="NDJSON events, one a line; .gz .xz .zst are opened"
    )
    parser.add_argument(
        "--emit",
        metavar="KINDS",
        help="kinds of facts, with commas: started idle struggled abandoned returned completed cancelled expired, and "
        "hint (default: started,abandoned,returned,completed,cancelled,expired)",
    )
    parser.add_argument("--out", metavar="FILE", type=Path, help="where facts go (default: standard output)")
    parser.add_argument(
        "--dead-letters", metavar="FILE", type=Path, help="where refused events go, with why (default: only counted)"
    )
    parser.add_argument(
        "--workers",
        metavar="N",
        type=count,
        default=1,
        help="processes, a core each; same facts. They share the customers, whose facts come in any order; where "
        "journeys learn, one follows the customers and one decides, however many more there may be (default: "
        "%(default)s)",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")
    _catalogue(parser)
    _settings(parser)


def _evaluate(commands: "Commands") -> None:
    of = evaluate_parser
    parser = _command(commands, "evaluate", of.DOES, of.MORE, *of.EXAMPLES)
    of.add_options(parser)
    _catalogue(parser)
    _settings(parser)


def _check(commands: "Commands") -> None:
    parser = _command(
        commands,
        "check",
        "check settings and catalogue, every problem at once",
        "Each problem is a line: file and line, dotted path, what was found, what is expected. Exit code 2 when\n"
        "there is any.",
        "zhiyin check --catalog my-catalogue/ --settings production.yaml",
    )
    _catalogue(parser)
    _settings(parser)


def _simulate(commands: "Commands") -> None:
    parser = _command(
        commands,
        "simulate",
        "simulated customers with planted reasons, to a collector or to a file",
        "Customers go through the catalogue's journeys; some struggle for a reason the catalogue knows and break\n"
        "off, some come back, some make contact. The same seed gives the same stream.",
        "zhiyin simulate --to http://127.0.0.1:8080 --write-key KEY --speed 30",
        "zhiyin simulate --out events.ndjson.zst --truth truth.ndjson --customers 70000 --seed 7",
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--to", metavar="URL", help="post to the collector there, until stopped")
    where.add_argument("--out", metavar="FILE", type=Path, help="write a file at once; .gz .xz .zst compress")
    parser.add_argument("--write-key", metavar="K", help="for --to (default: the first of setting write_keys)")
    parser.add_argument(
        "--customers", metavar="N", type=count, default=120, help="how many customers (default: %(default)s)"
    )
    parser.add_argument(
        "--duration",
        metavar="D",
        type=duration,
        default="1h",
        help="time of theirs in which they all arrive once: 90s 20m 1h 7d (default: %(default)s)",
    )
    parser.add_argument(
        "--rounds",
        metavar="N",
        type=whole,
        help="how often they all come; 0: until stopped (default: 0 with --to, 1 with --out)",
    )
    parser.add_argument(
        "--speed", metavar="X", type=positive, help="their time passes X times as fast (default: setting speed, 1)"
    )
    parser.add_argument(
        "--seed", metavar="S", type=int, help="same seed, same stream (default: 1 with --out, else a new one)"
    )
    parser.add_argument("--truth", metavar="FILE", type=Path, help="write the planted truth beside it, NDJSON")
    _catalogue(parser)
    _settings(parser)


def _dead_letters(commands: "Commands") -> None:
    _of_actions(commands, "dead-letters", dead_letters_parser)


def _models(commands: "Commands") -> None:
    _of_actions(commands, "models", models_parser)


def _of_actions(commands: "Commands", name: str, of: ModuleType) -> None:
    """A command that is several; ``of``: the module that knows them (``DOES``, ``MORE``, ``add_actions``)."""
    parser = commands.add_parser(
        name, help=of.DOES, description=f"{of.DOES[0].upper()}{of.DOES[1:]}.\n\n{of.MORE}", formatter_class=_wide
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, help="what to do with them")

    def make(actions: "Commands", *texts: str) -> argparse.ArgumentParser:
        action = _command(actions, *texts)
        _settings(action)
        return action

    of.add_actions(actions, make)


def _erase(commands: "Commands") -> None:
    parser = _command(
        commands,
        "erase",
        "forget a customer: in the stream, in Redis, in the engine's files",
        "Puts the word on the bus, waits until the engine has forgotten, takes the customer out of every Redis key,\n"
        "has the append-only file written anew, and waits until the engine's files are free of him. Needs REDIS_URL\n"
        "and a running engine. From Kafka topics nothing single can be taken: it says how long they keep, or cuts\n"
        "them.",
        "zhiyin erase customer-17 --yes",
    )
    parser.add_argument("customer", metavar="CUSTOMER", help="the customer's id, as events have it")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--wait", metavar="S", type=positive, default=180.0, help="seconds to wait in all (default: %(default)g)"
    )
    parser.add_argument(
        "--cut-topics",
        action="store_true",
        help="on Kafka: delete all that is in the customer's partition of our topics now, whoever else reads them",
    )
    _settings(parser)


def _audit(commands: "Commands") -> None:
    parser = _command(
        commands,
        "audit",
        "who saw what of whom (hints, bundles, calls to make first), newest first",
        "Customers stand in the trail masked; whoever has the mask's secret (the same settings) can ask for one.",
        "zhiyin audit --customer customer-17",
        "zhiyin audit --who desk-2 --json",
    )
    parser.add_argument("--customer", metavar="ID", help="only views of this customer")
    parser.add_argument("--who", metavar="NAME", help="only views by this desk or bot")
    parser.add_argument("--kind", choices=("hint", "bundle", "outreach"), help="only views of this kind")
    parser.add_argument("--hint", metavar="ID", help="only views of this hint")
    parser.add_argument("--limit", metavar="N", type=count, default=100, help="at most so many (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON document a line")
    _settings(parser)


def _doctor(commands: "Commands") -> None:
    parser = _command(
        commands,
        "doctor",
        "what would be wrong at start: versions, Redis, ports, catalogue, disk",
        "Exit code 1 when something would keep 'zhiyin up' from starting.",
    )
    _catalogue(parser)
    _settings(parser)


def _token(commands: "Commands") -> None:
    parser = _command(
        commands,
        "token",
        "print a token for a desk, a chatbot or another role",
        "Signed with setting token_secret, else with the secret 'zhiyin up' made in the state folder.",
        "zhiyin token --subject desk-2",
        "zhiyin token --role chatbot",
    )
    parser.add_argument(
        "--role",
        choices=("agent", "supervisor", "chatbot", "ops", "admin"),
        default="agent",
        help="who it is for (default: %(default)s)",
    )
    parser.add_argument("--subject", metavar="NAME", help="desk, bot or name (default: the first desk, else the role)")
    _settings(parser)


def _version(commands: "Commands") -> None:
    _command(commands, "version", "print the version of Zhiyin and of what it stands on", "")


_COMMANDS: Final[tuple[Callable[["Commands"], None], ...]] = (
    _up,
    _engine,
    _gateway,
    _replay,
    _evaluate,
    _check,
    _simulate,
    _dead_letters,
    _erase,
    _audit,
    _models,
    _doctor,
    _token,
    _version,
)
