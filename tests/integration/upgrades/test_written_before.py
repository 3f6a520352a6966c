"""The programs of this checkout go on from what an earlier one wrote, as that one did itself.

Before the stop attempts, hints, calls and a contact were left open, and events were left on the bus. Each test looks at
the same run; the last one starts without the recovery folder, and must see another outcome.
"""

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from operators.support.timestamps import iso_text
from tests.integration.upgrades import archive
from tests.integration.upgrades.going_on import go_on
from tests.integration.upgrades.outcome import Outcome, different
from tests.integration.upgrades.story import EACH, STOPPED_AFTER, instant_ms

ARCHIVES = sorted(Path(__file__).parent.glob(f"{archive.PREFIX}*{archive.SUFFIX}"))

pytestmark = [pytest.mark.requires("redis", "cc"), pytest.mark.slow, pytest.mark.timeout(900)]


class Run(NamedTuple):
    """What was found, what the earlier program found, and what our programs said."""

    found: archive.Expected
    expected: archive.Expected
    log: str


@pytest.fixture(scope="module", params=ARCHIVES, ids=lambda path: path.name)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("written-before")
    archive.unpack(request.param, folder)
    found = go_on(folder)
    logs = [(folder / name).read_text("utf-8") for name in ("engine.log", "gateway.log")]
    yield Run(found, archive.expected(folder), "".join(logs))
    shutil.rmtree(folder)


def facts(outcome: Outcome, role: str) -> list[dict[str, Any]]:
    """The facts about the customers of a role, in the order in which they were published."""
    events = [orjson.loads(each)["e"] for each in outcome["zy:facts"]]
    told = [event["data"] for event in events if event["type"].startswith("zhiyin.transaction.")]
    return [fact for fact in told if fact["customer_id"].startswith(f"{role}-")]


def kinds(outcome: Outcome, role: str) -> list[list[str]]:
    """The kinds of facts of each customer of a role."""
    by_customer: dict[str, list[str]] = {f"{role}-{number}": [] for number in range(EACH)}
    for fact in facts(outcome, role):
        by_customer[fact["customer_id"]].append(fact["kind"])
    return list(by_customer.values())


def test_there_is_a_fixture() -> None:
    assert ARCHIVES


def test_everything_becomes_of_it_that_became_of_it_then(run: Run) -> None:
    assert different(run.found.at_once, run.expected.at_once) == ""
    assert different(run.found.in_the_end, run.expected.in_the_end) == ""


def test_no_fact_is_published_twice_and_what_was_published_stays(run: Run) -> None:
    events = [orjson.loads(each)["e"] for each in run.found.in_the_end["zy:facts"]]
    assert [each for each, count in Counter(event["id"] for event in events).items() if count > 1] == []
    assert Counter(run.found.at_once["zy:facts"]) < Counter(run.found.in_the_end["zy:facts"])


def test_open_attempts_go_on_where_they_stood(run: Run) -> None:
    end = run.found.in_the_end
    assert kinds(end, "told") == [["started", "struggled", "abandoned", "returned", "completed"]] * EACH
    assert [fact["recovered"] for fact in facts(end, "told") if fact["kind"] == "completed"] == [True] * EACH
    assert kinds(end, "ends") == [["started", "completed"]] * EACH
    assert [fact["recovered"] for fact in facts(end, "ends") if fact["kind"] == "completed"] == [False] * EACH
    assert kinds(end, "silent") == [["started", "abandoned", "expired"]] * EACH
    stopped = iso_text(instant_ms(STOPPED_AFTER))
    assert all(fact["at"] > stopped for fact in facts(end, "silent") if fact["kind"] == "abandoned")
    assert {each["id"] for each in facts(run.found.at_once, "told")} < {each["id"] for each in facts(end, "told")}


def test_what_came_before_the_stop_counts_after_it(run: Run) -> None:
    end = run.found.in_the_end
    assert kinds(end, "twice") == [["started", "abandoned", "expired"]] * EACH
    assert f'zhiyin_engine_events_total{{outcome="duplicate"}} {EACH}.0' in end["metrics"]
    # The first of two failures came before the stop, the second waited on the bus.
    assert [fact["kind"] for fact in facts(run.found.at_once, "struggles")].count("struggled") == EACH
    struggled = [fact for fact in facts(end, "struggles") if fact["kind"] == "struggled"]
    assert [fact["signal"]["count"] for fact in struggled] == [2] * EACH


def test_hints_and_calls_of_before_end_by_their_causes(run: Run) -> None:
    published = Counter(run.found.in_the_end["zy:facts"]) - Counter(run.found.at_once["zy:facts"])
    later = [orjson.loads(each)["e"] for each in published]
    assert {event["data"]["cause"] for event in later if event["type"] == "zhiyin.hint.retired"} == {
        "completed",
        "returned",
    }
    ended = {each for each in run.found.in_the_end["metrics"] if each.startswith("zhiyin_outreach_ended_total")}
    assert {each.split('"')[1] for each in ended if not each.endswith(" 0.0")} == {
        "called",
        "expired",
        "helped",
        "returned",
    }
    open_then, open_now = (
        {name.removeprefix("zy:open:") for name in outcome if name.startswith("zy:open:")}
        for outcome in (run.found.at_once, run.found.in_the_end)
    )
    assert {"hinted-0", "deferred-0", "used-0"} <= open_then
    assert {name.partition("-")[0] for name in open_now} == {"marker", "reached"}  # these broke off once more


def test_nothing_is_refused_and_nothing_is_learnt_anew(run: Run) -> None:
    letters = [orjson.loads(each)["e"] for each in run.found.in_the_end["zy:dead-letters"]]
    assert {each["payload"]["customer_id"].partition("-")[0] for each in letters} == {"lost"}
    assert len(letters) == 2 * EACH
    assert "WARNING" not in run.log
    assert "ERROR" not in run.log
    assert "learning begins from nothing" not in run.log
    labels = [orjson.loads(each)["labels"] for each in run.found.in_the_end["models"]]
    assert labels
    assert min(labels) > 50


@pytest.mark.parametrize("written", ARCHIVES, ids=lambda path: path.name)
def test_without_the_recovery_folder_another_outcome_is_noticed(written: Path, tmp_path: Path) -> None:
    archive.unpack(written, tmp_path)
    shutil.rmtree(tmp_path / "state" / "recovery")
    found, expected = go_on(tmp_path), archive.expected(tmp_path)
    assert different(found.in_the_end, expected.in_the_end) != ""
    completed = [fact["recovered"] for fact in facts(found.in_the_end, "told") if fact["kind"] == "completed"]
    assert completed == [False] * EACH
    assert "begins with version" in (tmp_path / "engine.log").read_text("utf-8")
