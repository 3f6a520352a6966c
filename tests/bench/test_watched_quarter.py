"""A short piece of the quarter: planted problems are found, a planted fix is confirmed, nothing else is raised."""

from typing import Final

import msgspec
import pytest

from bench.inputs import SHIPPED_CATALOGUE, Recording
from bench.monitoring import cost
from bench.quarter import PlantedProblem
from bench.watched_quarter import watch_quarter
from config import load_catalogue
from operators.monitoring.journey_map import HOUR_MS
from operators.records.catalogue import Catalogue
from zhiyin.simulate.run import SimulationPlan, write_file

PROBLEMS: Final = (
    PlantedProblem("a broken SMS provider, fixed", "policy_loan", "sms_code", 16, 18, loss=3.0, failure=5.0),
    PlantedProblem("a slow step", "policy_loan", "e_signature", 17, slow=2.2),
    PlantedProblem("never comes", "policy_loan", "confirm", 90, loss=9.0),
)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    whole = load_catalogue(SHIPPED_CATALOGUE, quiet_hours=False)
    return msgspec.structs.replace(whole, journeys={"policy_loan": whole.journeys["policy_loan"]})


def test_planted_problems_are_found_and_a_fix_is_confirmed(catalogue: Catalogue) -> None:
    watched = watch_quarter(catalogue, PROBLEMS, seed=4, an_hour=24.0, days=22)
    broken, slow = watched.outcomes
    assert broken.hours is not None
    assert 0 < broken.hours <= 24
    assert broken.state == "verified"
    assert broken.fix is not None
    assert broken.fix["verdict"] == "worked"
    assert slow.hours is not None
    assert 0 < slow.hours <= 36
    assert watched.false_alarms == []


def test_cost_is_measured_in_turns(catalogue: Catalogue, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("cost") / "events.ndjson"
    write_file(catalogue, SimulationPlan(customers=100, seed=1, duration_ms=HOUR_MS), path)
    found = cost(Recording("small", "a few", path.read_bytes().splitlines(), catalogue), repeats=2)
    assert found.samples == 2
    assert 0 < found.lowest <= found.value <= found.highest
    assert "by processor time" in found.note
