"""What journeys hear of what happens around transactions."""

from pathlib import Path

import msgspec
import pytest

from config import load_catalogue
from flows.replay.replay import Replay, ReplayObservers
from flows.steps.decide import Learns
from flows.steps.messages import TrackerOutput
from flows.steps.outcomes import outcome_of, outcomes_by_journey
from operators.hints.arbitration import Contact
from operators.learning.breakoff_outcomes import CALLED, BreakoffOutcome, CustomerForgotten, Judgement
from operators.learning.interfaces import Learning
from operators.outreach.call_list_state import CallOutcome
from operators.records.events import Event, Properties
from operators.records.facts import Interaction
from tests.parts.machine import ROOT
from zhiyin.simulate.run import SimulationPlan, write_file

AGENT = {"agent_id": "a1", "hint_id": "h1"}


def around(event: str, **properties: str | bool | int) -> Interaction:
    said = msgspec.convert(properties, Properties)
    return Interaction(Event(event=event, user_id="anna", properties=said), "anna", 5)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (around("Contact Started", channel="phone"), Contact("anna", True, 5, "phone")),
        (around("Contact Ended", channel="phone"), None),
        (around("Outreach Claimed"), Contact("anna", True, 5, CALLED)),
        (around("Outreach Ended", outreach_id="o1", outcome="solved"), CallOutcome("anna", "o1", "solved", 5)),
        (around("Customer Erased"), CustomerForgotten("anna", 5)),
        (around("Hint Used", **AGENT, helpful=True), Judgement("anna", "h1", 5, right=True)),
        (around("Hint Dismissed", **AGENT, reason="sms_code"), Judgement("anna", "h1", 5, named="sms_code")),
        (around("Hint Used", **AGENT), None),
        (around("Hint Used", hint_id="h1", helpful=True), None),
        (around("Survey Sent", score=5), None),
    ],
)
def test_what_can_be_learnt_of_is_understood(given: Interaction, expected: BreakoffOutcome | None) -> None:
    assert outcome_of(given) == expected


def test_contacts_reach_every_journey_a_word_only_the_one_it_names() -> None:
    heard = [around("Contact Started"), around("Hint Used", **AGENT, helpful=True, journey="loan")]
    tracked = TrackerOutput([], heard, [])
    assert {name: len(each.outcomes) for name, each in outcomes_by_journey(tracked, ["loan", "claim"])} == {
        "loan": 2,
        "claim": 1,
    }
    unnamed = TrackerOutput([], [around("Hint Used", **AGENT, helpful=True)], [])
    assert len(list(outcomes_by_journey(unnamed, ["loan", "claim"]))) == 2
    assert not outcomes_by_journey(tracked, [])


class KeptOutcomes:
    """Keeps each journey's learning at hand."""

    def __init__(self) -> None:
        self.learning: dict[str, Learning] = {}

    def begin(self, journey: str, learning: Learning, *, resumed: bool) -> None:
        assert not resumed
        self.learning[journey] = learning

    def __call__(self, journey: str, learning: Learning) -> None:
        """Nothing to save."""


def test_contacts_of_a_stream_are_learnt_by_the_journeys_of_the_dataflow(tmp_path: Path) -> None:
    shipped = load_catalogue(ROOT / "config" / "catalog", quiet_hours=False)
    journeys = {name: shipped.journeys[name] for name in ("policy_loan", "claim")}
    catalogue = msgspec.structs.replace(shipped, journeys=journeys, contact_within="30m")
    stream, kept = tmp_path / "stream.ndjson", KeptOutcomes()
    write_file(catalogue, SimulationPlan(customers=300, seed=1, duration_ms=4 * 3_600_000), stream)
    Replay(catalogue, None, ("idle", "abandoned"), watching=ReplayObservers(learns=Learns(keeper=kept))).run([stream])
    labels = {
        name: {each.question: each.labels for each in learning.figures().quality}
        for name, learning in kept.learning.items()
    }
    assert labels.keys() == journeys.keys()
    assert all(each["contact"] > 20 and each["person"] > 5 for each in labels.values())


def test_of_a_stream_that_is_ahead_less_is_learnt_and_all_is_predicted(tmp_path: Path) -> None:
    catalogue = load_catalogue(ROOT / "config" / "catalog", quiet_hours=False)
    stream = tmp_path / "stream.ndjson"
    write_file(catalogue, SimulationPlan(customers=100, seed=1, duration_ms=3_600_000), stream)

    def learnt(*, hurries: bool) -> tuple[int, int, int]:
        kept, told = KeptOutcomes(), tmp_path / f"told-{hurries}.ndjson"
        with told.open("wb") as out:
            learns = Learns(keeper=kept, hurries=lambda: hurries)
            Replay(catalogue, out, ("idle",), watching=ReplayObservers(learns=learns)).run([stream])
        figures = [each.figures() for each in kept.learning.values()]
        scored = told.read_text("utf-8").count('"score":0.')
        return scored, sum(each.learnt for each in figures), sum(each.sampled_out for each in figures)

    (scored, all_learnt, none_left_out), hurried = learnt(hurries=False), learnt(hurries=True)
    assert none_left_out == 0
    assert hurried[0] == scored > 100
    assert 0 < hurried[1] < all_learnt / 2
    assert hurried[2] > all_learnt / 2
