"""Journeys begin to learn, and stop, between two runs of an engine: each attempt is told of once, and rightly."""

import re
from pathlib import Path

import pytest
import redis
import yaml

from tests.integration.engine.engine_process import EngineProcess, post, told_facts, until, until_told
from tests.integration.engine.quick_events import KINDS, QUICK, event, now_ms, oracles_facts
from tests.parts.redis_server import RedisServer
from tests.streams import wire

VIEWED = "Transaction Step Viewed"


def write_catalogue(path: Path, *, learning: bool, more: str | None = None) -> None:
    """The quick catalogue, which learns or not, with ``more`` beside its one journey."""
    catalogue = yaml.safe_load(QUICK.read_text("utf-8")) | {"learning": learning}
    catalogue["hints"] = {"wording": "bandit"}
    if more is not None:
        catalogue["journeys"][more] = catalogue["journeys"]["policy_loan"]
    path.write_text(yaml.safe_dump(catalogue, allow_unicode=True), "utf-8")


def attempts_remembered(folder: Path) -> set[bytes]:
    """The attempts in the files of the decision that learns."""
    journals = (folder / "recovery" / "journals").glob("decide-*/*.journal")
    return {found for path in journals for found in re.findall(rb"[0-9a-f]{16}", path.read_bytes())}


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_journey_that_learns_no_more_is_told_of_as_before_and_leaves_nothing(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    client, catalogue = redis.Redis.from_url(redis_server.url), tmp_path / "catalogue.yaml"
    engine = EngineProcess(redis_server.url, catalogue, tmp_path)
    sent = []
    for round_number, learning in enumerate((True, False, True)):
        write_catalogue(catalogue, learning=learning)
        engine.start()
        customers = range(3 * (round_number + 1))
        # Those of the rounds before come back, one of three completes; three new ones break off.
        batch = [
            event(f"c{each}", VIEWED, "confirm" if each % 3 == round_number else "apply", now_ms(), round_number)
            for each in customers
        ]
        sent.extend(batch)
        post(client, batch, wire)
        until_told(lambda: told_facts(client, KINDS), lambda: oracles_facts(sent))
        if not learning:
            until(lambda: not attempts_remembered(tmp_path), "nothing left of what was learnt")
        assert engine.stop() == 0
        assert bool(attempts_remembered(tmp_path)) == learning


@pytest.mark.timeout(120)
def test_a_journey_that_is_gone_from_the_catalogue_stops_nothing(redis_server: RedisServer, tmp_path: Path) -> None:
    client, catalogue = redis.Redis.from_url(redis_server.url), tmp_path / "catalogue.yaml"
    engine = EngineProcess(redis_server.url, catalogue, tmp_path)
    expected: list[tuple[str, str]] = []

    def told() -> list[tuple[str, str]]:
        return sorted((each.kind, each.journey) for each in told_facts(client, ("started", "abandoned")))

    for more in ("claim", None):
        write_catalogue(catalogue, learning=True, more=more)
        engine.start()
        for journey in filter(None, ("policy_loan", more)):
            at_ms = now_ms()
            post(client, [event(f"{journey}-{at_ms}", VIEWED, "apply", at_ms) | {"journey": journey}], wire)
            expected.extend([("abandoned", journey), ("started", journey)])
        until(lambda: told() == sorted(expected), "what is told of each")
        assert engine.stop() == 0
