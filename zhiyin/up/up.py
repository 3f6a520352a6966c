"""``zhiyin up``: the whole of Zhiyin on one machine, composed here and nowhere else.

In: settings and options. Out: Redis, engine, gateway (and simulated customers) running until
Ctrl-C; where they are, for a person or as one JSON line. Started in that order, stopped backwards.
Refused before anything starts: a catalogue with mistakes, a second set-up in the same state
folder, ports in use, a Redis or Kafka that was named and does not answer. A Kafka is never started here.
"""

import http.client
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec

from config import Settings, load_catalogue
from config.settings.load import child_environment
from operators.hints.arbitration import in_control_group
from zhiyin.console.terminal import say
from zhiyin.processes.embedded_redis import LOOPBACK, redis_executable, redis_part
from zhiyin.processes.ports import chosen_ports
from zhiyin.processes.supervisor import Part, StopRequest, Supervisor
from zhiyin.simulate.run import SimulationPlan, opening_customers
from zhiyin.up.banner import addresses_of, banner, json_line, reachable_host
from zhiyin.up.lock import up_lock
from zhiyin.up.secrets import with_secrets

PORT_SETTINGS: Final = ("http_port", "ws_port", "gateway_metrics_port", "engine_metrics_port")
_PROBE_TIMEOUT_S: Final = 2.0


class UpOptions(msgspec.Struct, frozen=True):
    """``demo``: what to simulate, None for nobody; ``json``: one JSON line instead of the banner."""

    demo: SimulationPlan | None = None
    json: bool = False


class ChosenPorts(msgspec.Struct, frozen=True):
    """Settings with a number for every port. ``redis_port``: of the embedded Redis, None when one was named."""

    settings: Settings
    redis_port: int | None


def run_up(settings: Settings, options: UpOptions) -> None:
    """Everything up until asked to stop. Raises CommandFailure, ConfigurationError."""
    load_catalogue(settings.catalogue, settings.speed, settings.quiet_hours)
    stop = StopRequest()
    stop.listen()
    with up_lock(Path(settings.state_dir)):
        if settings.redis_url is None:
            redis_executable()
        _require_what_was_named(settings)
        supervisor = Supervisor(say, stop)
        with ExitStack() as held:
            held.callback(supervisor.stop)
            _run(supervisor, with_ports(with_secrets(settings), held), options, stop)


def _require_what_was_named(settings: Settings) -> None:
    """Does nothing when the Redis and the Kafka that were named answer; their clients are loaded only then."""
    if settings.redis_url is not None:
        from zhiyin.processes.redis_probe import require_redis

        require_redis(settings.redis_url)
    if settings.bus == "kafka":
        from zhiyin.processes.kafka_probe import require_kafka

        require_kafka(settings)


def _run(supervisor: Supervisor, chosen: ChosenPorts, options: UpOptions, stop: StopRequest) -> None:
    supervisor.start(parts(chosen, options))
    if stop:
        return
    addresses = addresses_of(chosen.settings, round(time.time()))
    customer_id = None if options.demo is None else demo_customer(chosen.settings, options.demo)
    sys.stdout.write(json_line(addresses) if options.json else banner(addresses, chosen.settings, customer_id))
    sys.stdout.flush()
    supervisor.watch()


def with_ports(wanted: Settings, held: ExitStack) -> ChosenPorts:
    """``wanted`` with a number for every port, ours until ``held`` is closed, and an address for Redis.

    Raises PortTaken.
    """
    ports = {name: getattr(wanted, name) for name in PORT_SETTINGS}
    if wanted.redis_url is not None:
        return ChosenPorts(msgspec.structs.replace(wanted, **chosen_ports(wanted.host, ports, held)), None)
    numbers = chosen_ports(wanted.host, {**ports, "redis": 0}, held)
    redis_port = numbers.pop("redis")
    return ChosenPorts(
        msgspec.structs.replace(wanted, redis_url=f"redis://{LOOPBACK}:{redis_port}/0", **numbers), redis_port
    )


def parts(chosen: ChosenPorts, options: UpOptions) -> list[Part]:
    """What runs, first to start first."""
    settings = chosen.settings
    environment = child_environment(settings)
    site = f"http://{reachable_host(settings.host)}"
    started = [] if chosen.redis_port is None else [_redis_part(settings, chosen.redis_port)]
    started += [
        _own_part("engine", ("engine",), environment, _answers_at(f"{site}:{settings.engine_metrics_port}/metrics")),
        _own_part("gateway", ("gateway",), environment, _answers_at(f"{site}:{settings.http_port}/ready")),
    ]
    if options.demo is not None:
        arguments = simulate_words(f"{site}:{settings.http_port}", options.demo)
        started.append(_own_part("customers", arguments, environment, lambda: True))
    return started


def _redis_part(settings: Settings, port: int) -> Part:
    return redis_part(Path(settings.state_dir) / "redis", port, settings.chatbot_redis_password)


def simulate_words(url: str, plan: SimulationPlan) -> tuple[str, ...]:
    """``plan`` as the arguments of ``zhiyin simulate``."""
    numbers = {"--customers": plan.customers, "--duration": f"{plan.duration_ms}ms", "--seed": plan.seed}
    return ("simulate", "--to", url, *(argument for name, value in numbers.items() for argument in (name, str(value))))


def demo_customer(settings: Settings, plan: SimulationPlan) -> str:
    """One of the first customers who get a hint, for the link to the chat page."""
    catalogue = load_catalogue(settings.catalogue)
    first = opening_customers(catalogue, plan)
    control = catalogue.control_group
    hinted = [customer for customer in first if not in_control_group(customer, control.salt, control.share)]
    return (hinted or first)[0]


def _own_part(name: str, arguments: tuple[str, ...], environment: Mapping[str, str], ready: Callable[[], bool]) -> Part:
    return Part(name=name, command=(sys.executable, "-m", "zhiyin", *arguments), environment=environment, ready=ready)


def _answers_at(url: str) -> Callable[[], bool]:
    return lambda: answers_ok(url)


def answers_ok(url: str) -> bool:
    """Whether GET ``url`` is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=_PROBE_TIMEOUT_S) as answer:  # noqa: S310 - our own http address
            return bool(answer.status == http.HTTPStatus.OK)
    except (urllib.error.URLError, OSError, http.client.HTTPException):
        return False
