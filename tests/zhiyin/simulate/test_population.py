from collections import Counter
from itertools import islice, pairwise
from random import Random

import msgspec
import pytest

from operators.records import events
from operators.records.catalogue import Catalogue, Speaks
from zhiyin.simulate.planted_signals import act_out, code_of, pause_ms, planted_steps
from zhiyin.simulate.population import Mix, Simulation, causes, merged
from zhiyin.simulate.visit import Visit

HOUR_MS = 3_600_000


def visits_of(catalogue: Catalogue, seed: int = 1, customers: int = 400, **mix: float) -> list[Visit]:
    return list(Simulation(catalogue, Random(seed), msgspec.convert(mix, Mix)).visits(customers, HOUR_MS))


def test_the_same_seed_gives_the_same_stream_and_another_seed_another(catalogue: Catalogue) -> None:
    assert visits_of(catalogue, 7) == visits_of(catalogue, 7)
    assert visits_of(catalogue, 7) != visits_of(catalogue, 8)


def test_every_customer_comes_once_a_round(catalogue: Catalogue) -> None:
    simulation = Simulation(catalogue, Random(3))
    counts = Counter(visit.truth.customer for visit in simulation.visits(50, HOUR_MS, rounds=3))
    assert len(counts) == 50
    assert set(counts.values()) == {3}


def test_message_and_transaction_ids_are_given_once(catalogue: Catalogue) -> None:
    visits = visits_of(catalogue)
    messages = [event.message_id for visit in visits for event in visit.events]
    assert len(set(messages)) == len(messages)
    assert len({visit.truth.transaction_id for visit in visits}) == len(visits)


def test_merged_events_are_in_order_of_time_and_each_visit_stands_before_its_first(catalogue: Catalogue) -> None:
    seen: set[str] = set()
    last_ms = 0
    for each in merged(visits_of(catalogue)):
        if isinstance(each, Visit):
            seen.add(each.truth.customer)
        else:
            assert each.at_ms >= last_ms
            assert each.customer_id in seen
            last_ms = each.at_ms


def test_nobody_who_goes_on_pauses_as_long_as_one_who_broke_off(catalogue: Catalogue) -> None:
    for visit in visits_of(catalogue):
        own = [event for event in visit.events if "journey" in event.properties]
        journey = catalogue.journeys[visit.truth.journey]
        steps = {step.id: step for step in journey.steps}
        step = None
        broken_off = 0
        for before, after in pairwise(own):
            step = steps.get(before.properties.get("step", ""), step)
            broken_off += after.at_ms - before.at_ms > journey.idle_after_ms(step)
        assert broken_off == visit.truth.returned


def test_the_truth_says_how_each_ended(catalogue: Catalogue) -> None:
    for visit in visits_of(catalogue):
        truth, last = visit.truth, visit.events[-1]
        final = {step.id for step in catalogue.journeys[truth.journey].steps if step.final}
        endings = [
            each for each in visit.events if each.event == events.COMPLETED or each.properties.get("step") in final
        ]
        assert len(endings) == truth.completed
        assert truth.broke_off == (truth.reason is not None)
        assert truth.broke_off or truth.completed or last.event == events.CANCELLED
        assert not truth.returned or truth.broke_off
        assert any(event.at_ms == truth.at_ms for event in visit.events)


def test_a_planted_reason_leaves_a_sign_of_its_own_where_it_happened(catalogue: Catalogue) -> None:
    visits = visits_of(catalogue, breaks_off=1.0, without_cause=0.0, stumbles=0.0)
    reasons = {visit.truth.reason for visit in visits}
    assert reasons >= set(catalogue.reasons) - {"unknown"}
    for visit in visits:
        at_step = [each.event for each in visit.events if each.properties.get("step") == visit.truth.step]
        standing_there = any(each.signal == "at_step" for each in catalogue.reasons[visit.truth.reason or ""].evidence)
        assert len(at_step) > 1 or standing_there


def test_shares_follow_the_table(catalogue: Catalogue) -> None:
    visits = visits_of(catalogue, customers=3_000, breaks_off=0.5, comes_back=0.2, without_cause=0.5)
    broken_off = [visit.truth for visit in visits if visit.truth.broke_off]
    assert len(broken_off) == pytest.approx(1_500, rel=0.1)
    assert sum(truth.returned for truth in broken_off) == pytest.approx(300, rel=0.25)
    assert sum(truth.reason == "unknown" for truth in broken_off) == pytest.approx(750, rel=0.15)


def test_the_first_of_a_live_stream_break_off_at_once_where_silence_is_shortest(catalogue: Catalogue) -> None:
    first = list(islice(Simulation(catalogue, Random(5)).visits(100, HOUR_MS, rounds=0, opening=4), 4))
    assert len({visit.truth.customer for visit in first}) == 4
    for visit in first:
        assert visit.truth.broke_off
        assert visit.events[0].at_ms < 1_000
        [step] = [each for each in catalogue.journeys[visit.truth.journey].steps if each.id == visit.truth.step]
        assert step.idle_after == "3m"


def test_an_endless_stream_goes_on(catalogue: Catalogue) -> None:
    endless = Simulation(catalogue, Random(5)).visits(3, HOUR_MS, rounds=0)
    assert len(list(islice(endless, 50))) == 50


def test_a_catalogue_whose_only_reason_is_unknown_has_no_causes_and_still_people(catalogue: Catalogue) -> None:
    bare = Catalogue(journeys=catalogue.journeys, reasons={"unknown": catalogue.reasons["unknown"]})
    assert causes(bare, "policy_loan") == ()
    truths = [visit.truth for visit in Simulation(bare, Random(1)).visits(50, HOUR_MS, opening=2)]
    assert {truth.reason for truth in truths} == {None, "unknown"}


def test_a_reason_that_names_steps_happens_only_there(catalogue: Catalogue) -> None:
    for journey in catalogue.journeys:
        for cause in causes(catalogue, journey):
            named = {step for each in catalogue.reasons[cause.reason].evidence for step in each.steps}
            assert not named or catalogue.journeys[journey].steps[cause.place].id in named


@pytest.mark.parametrize(
    ("code", "acted"), [("face_*", "face_timeout"), ("http_5*", "http_503"), ("timeout", "timeout"), ("*", "timeout")]
)
def test_a_star_in_a_code_becomes_a_word_or_a_number(code: str, acted: str) -> None:
    assert code_of(Speaks(signal="step_failed", codes=(code,)), Random(1), "other") == acted


def test_evidence_without_codes_takes_the_other_one() -> None:
    assert code_of(Speaks(signal="step_failed"), Random(1), "other") == "other"


@pytest.mark.parametrize(
    ("signal", "event", "at_least"),
    [
        ("step_failed", events.STEP_FAILED, 2),
        ("field_error", events.FIELD_ERROR, 3),
        ("back_and_forth", events.STEP_VIEWED, 6),
        ("rage_click", events.ELEMENT_CLICKED, 4),
        ("hesitation", events.ELEMENT_CLICKED, 1),
        ("page_hidden", events.PAGE_HIDDEN, 1),
        ("dead_click", events.DEAD_CLICK, 2),
        ("field_hesitation", events.FIELD_HESITATED, 1),
        ("page_loop", events.PAGE_LOOP, 1),
        ("at_step", None, 0),
    ],
)
def test_each_kind_of_sign_is_acted_out(catalogue: Catalogue, signal: str, event: str | None, at_least: int) -> None:
    place = planted_steps(catalogue.journeys["policy_loan"], catalogue.struggle)[3]
    evidence = Speaks(signal=signal)  # type: ignore[arg-type] # each of the literals in turn
    for seed in range(20):
        deeds = list(act_out(evidence, place, Random(seed)))
        assert len(deeds) >= at_least
        assert {deed.event for deed in deeds} <= {event}
        assert all(0 < deed.after_ms <= place.longest_pause_ms for deed in deeds)


def test_nothing_is_acted_out_where_it_cannot_happen(catalogue: Catalogue) -> None:
    first = planted_steps(catalogue.journeys["policy_loan"], catalogue.struggle)[0]
    assert list(act_out(Speaks(signal="back_and_forth"), first, Random(1))) == []
    hasty = msgspec.structs.replace(first, silence_ms=1_000)
    assert list(act_out(Speaks(signal="hesitation"), hasty, Random(1))) == []
    assert pause_ms(Random(1), 10_000_000, hasty) <= 800


def test_a_run_of_its_own_gives_the_same_deeds_new_ids(catalogue: Catalogue) -> None:
    first, second = (list(Simulation(catalogue, Random(2), run=run).visits(30, HOUR_MS)) for run in ("a", "b"))
    assert [visit.truth.customer for visit in first] == [visit.truth.customer for visit in second]
    assert [event.at_ms for visit in first for event in visit.events] == [
        event.at_ms for visit in second for event in visit.events
    ]
    assert not {event.message_id for visit in first for event in visit.events} & {
        event.message_id for visit in second for event in visit.events
    }
