"""The commands, each by its name: options in, exit code out.

Each imports the rooms it needs when it is called. Refused: what is raised here is put into
words by ``zhiyin.cli.main``.
"""

import argparse
import secrets
import signal
import sys
import time
from pathlib import Path
from typing import Final

from config import ConfigurationError, Problem, Settings, load_catalogue, load_settings
from config.settings.load import variable_of
from zhiyin.console.errors import CommandFailure
from zhiyin.console.logs import log_to_stderr
from zhiyin.console.terminal import say
from zhiyin.console.version import VERSION

DEMO_SPEED: Final = 30.0
DEMO_HOURS: Final = 10
"""Time of theirs until simulated customers come again: so many of them that nobody's budget of hints is used up."""
HOUR_MS: Final = 3_600_000


def settings_of(chosen: argparse.Namespace, **overrides: object) -> Settings:
    """The settings with what this command line says. Raises ConfigurationError."""
    catalogue = getattr(chosen, "catalogue", None)
    return load_settings(file=chosen.settings, overrides={"catalogue": catalogue, **overrides})


def up(chosen: argparse.Namespace) -> int:
    """``zhiyin up``."""
    from zhiyin.simulate.run import SimulationPlan
    from zhiyin.up.up import UpOptions, run_up

    every_port = dict.fromkeys(("http_port", "ws_port", "gateway_metrics_port", "engine_metrics_port"), 0)
    ports = every_port if chosen.port == 0 else {"http_port": chosen.port}
    demo = {"speed": DEMO_SPEED, "quiet_hours": False, "demo_page": True} if chosen.demo else {}
    speed = {} if chosen.speed is None else {"speed": chosen.speed}
    settings = settings_of(chosen, **{**ports, **demo, **speed})
    customers, duration_ms = chosen.customers * DEMO_HOURS, DEMO_HOURS * HOUR_MS
    plan = SimulationPlan(customers=customers, seed=secrets.randbits(32), duration_ms=duration_ms)
    run_up(settings, UpOptions(plan if chosen.demo else None, chosen.json))
    return 0


def engine(chosen: argparse.Namespace) -> int:
    """``zhiyin engine``: alone, or as one process of a set."""
    settings = engine_settings(chosen)
    # Libraries start threads as they are imported. A signal that such a thread may take ends the process at once.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
    from flows.live.engine import run_engine

    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    log_to_stderr(settings)
    run_engine(settings, VERSION)
    return 0


def engine_settings(chosen: argparse.Namespace) -> Settings:
    """The settings of an engine. Raises ConfigurationError."""
    process_id, addresses = chosen.process_id, chosen.addresses
    own = {"recovery_dir": chosen.recovery, "engine_process_id": process_id, "engine_addresses": addresses}
    settings = settings_of(chosen, **own)
    _need(settings, "engine", "redis_url")
    if settings.engine_addresses and settings.engine_process_id is None:
        raise ConfigurationError([_number_missing(settings)])
    return settings


def gateway(chosen: argparse.Namespace) -> int:
    """``zhiyin gateway``."""
    settings = settings_of(chosen)
    _need(settings, "gateway", "redis_url", "write_keys", "token_secret")
    from gateway.server import run_gateway

    log_to_stderr(settings)
    return run_gateway(settings, version=VERSION)


def replay(chosen: argparse.Namespace) -> int:
    """``zhiyin replay``."""
    from zhiyin.admin.replay import run_replay

    settings = settings_of(chosen)
    catalogue = load_catalogue(settings.catalogue, settings.speed, settings.quiet_hours)
    run_replay(catalogue, chosen)
    return 0


def evaluate(chosen: argparse.Namespace) -> int:
    """``zhiyin evaluate``."""
    from zhiyin.evaluate.run import run_evaluate

    settings = settings_of(chosen)
    return run_evaluate(load_catalogue(settings.catalogue, settings.speed, settings.quiet_hours), chosen)


def check(chosen: argparse.Namespace) -> int:
    """``zhiyin check``: settings and catalogue, every problem of both."""
    problems: list[object] = []
    path = chosen.catalogue or Settings().catalogue
    try:
        settings = settings_of(chosen)
    except ConfigurationError as error:
        problems += error.problems
    else:
        path = settings.catalogue
    try:
        catalogue = load_catalogue(path)
    except ConfigurationError as error:
        problems += error.problems
    else:
        say(f"catalogue {path}: journeys {len(catalogue.journeys)}, reasons {len(catalogue.reasons)}")
    sys.stdout.write("".join(f"{problem}\n" for problem in problems) or "nothing wrong\n")
    return 2 if problems else 0


def simulate(chosen: argparse.Namespace) -> int:
    """``zhiyin simulate``."""
    settings = settings_of(chosen, speed=chosen.speed)
    return _write(settings, chosen) if chosen.to is None else _post(settings, chosen)


def dead_letters(chosen: argparse.Namespace) -> int:
    """``zhiyin dead-letters``."""
    settings = settings_of(chosen)
    _need(settings, "dead-letters", "redis_url")
    from zhiyin.admin.dead_letters import run_dead_letters

    return run_dead_letters(settings, chosen)


def models(chosen: argparse.Namespace) -> int:
    """``zhiyin models``."""
    from zhiyin.admin.models import run_models

    return run_models(settings_of(chosen), chosen)


def erase(chosen: argparse.Namespace) -> int:
    """``zhiyin erase``."""
    settings = settings_of(chosen)
    _need(settings, "erase", "redis_url")
    from zhiyin.admin.erase import run_erase

    return run_erase(settings, chosen)


def audit(chosen: argparse.Namespace) -> int:
    """``zhiyin audit``."""
    settings = settings_of(chosen)
    _need(settings, "audit", "redis_url")
    from zhiyin.admin.audit import run_audit

    return run_audit(settings, chosen)


def doctor(chosen: argparse.Namespace) -> int:
    """``zhiyin doctor``."""
    from zhiyin.admin.doctor import examine, printed

    findings = examine(settings_of(chosen))
    sys.stdout.write(printed(findings))
    return 1 if any(finding.state == "fail" for finding in findings) else 0


def token(chosen: argparse.Namespace) -> int:
    """``zhiyin token``."""
    from gateway.auth.tokens import issue_token, purpose

    settings = settings_of(chosen)
    more = purpose(settings.token_issuer, settings.token_audience)
    subject = chosen.subject or (settings.desks[0] if chosen.role == "agent" else chosen.role)
    secret = _token_secret(settings)
    text = issue_token(secret, subject, chosen.role, settings.token_lifetime_s, round(time.time()), more)
    sys.stdout.write(text + "\n")
    return 0


def version(_chosen: argparse.Namespace) -> int:
    """``zhiyin version``."""
    from zhiyin.admin.versions import version_lines

    sys.stdout.write(version_lines())
    return 0


def _token_secret(settings: Settings) -> str:
    from zhiyin.up.secrets import kept_secrets

    if settings.token_secret:
        return settings.token_secret
    kept = kept_secrets(Path(settings.state_dir))
    if kept is None:
        raise CommandFailure(
            f"token secret: found neither ZHIYIN_TOKEN_SECRET nor {settings.state_dir}/secrets.json, expected one; "
            "set it, or run 'zhiyin up' once, which makes one"
        )
    return kept.token_secret


def _write(settings: Settings, chosen: argparse.Namespace) -> int:
    from zhiyin.simulate.run import SimulationPlan, write_file

    if chosen.rounds == 0:
        raise CommandFailure("--rounds: found 0 (for ever), expected 1 or more with --out: a file must end")
    plan = SimulationPlan(
        customers=chosen.customers,
        seed=1 if chosen.seed is None else chosen.seed,
        duration_ms=chosen.duration,
        speed=settings.speed,
        rounds=chosen.rounds or 1,
        truth=chosen.truth,
    )
    written = write_file(load_catalogue(settings.catalogue), plan, chosen.out)
    say(f"simulate: {written} events in {chosen.out} (seed {plan.seed})")
    return 0


def _post(settings: Settings, chosen: argparse.Namespace) -> int:
    from zhiyin.processes.supervisor import StopRequest
    from zhiyin.simulate.posting import CollectorClient
    from zhiyin.simulate.run import SimulationPlan, post_live

    plan = SimulationPlan(
        customers=chosen.customers,
        seed=secrets.randbits(32) if chosen.seed is None else chosen.seed,
        duration_ms=chosen.duration,
        speed=settings.speed,
        rounds=chosen.rounds or 0,
        truth=chosen.truth,
    )
    write_key = chosen.write_key or next(iter(settings.write_keys), None)
    if write_key is None:
        raise CommandFailure("--write-key: found none, expected the key the collector knows; 'zhiyin up' prints it")
    stop = StopRequest()
    stop.listen()
    with CollectorClient(chosen.to, write_key, say, lambda: bool(stop)) as collector:
        say(f"simulate: posting to {chosen.to}, {plan.speed:g} times as fast as life (seed {plan.seed})")
        post_live(load_catalogue(settings.catalogue), plan, collector, stop)
        say(f"simulate: {collector.posted}")
    return 0


def _number_missing(settings: Settings) -> Problem:
    count = len(settings.engine_addresses)
    expected = f"which of them this process is, 0 to {count - 1} (-i)"
    return Problem("settings", None, variable_of("engine_process_id"), f"nothing, with {count} addresses", expected)


def _need(settings: Settings, process: str, *names: str) -> None:
    """Refuse to start ``process`` without these settings. Raises ConfigurationError with all that lack."""
    problems = [
        Problem("settings", None, variable_of(name), "nothing", f"a value: {process} can't run without")
        for name in names
        if not getattr(settings, name)
    ]
    if problems:
        raise ConfigurationError(problems)
