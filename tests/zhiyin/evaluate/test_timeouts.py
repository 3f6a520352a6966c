"""Any fixed timeout worked out from all silences, against replays that really have it."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.replay.replay import Replay, ReplayObservers
from operators.records.catalogue import Catalogue
from operators.records.facts import Fact
from tests.operators.samples import fact
from tests.streams import STREAM_CATALOGUE, lines, streams
from zhiyin.evaluate.timeouts import LearnedPromptness, Promptness, Silences

SHORTEST_MS = 2_500


def silence(at_ms: int, idle_ms: int) -> Fact:
    return msgspec.structs.replace(fact(at_ms=at_ms), idle_ms=idle_ms)


def back(idle_ms: int) -> Fact:
    return msgspec.structs.replace(fact("returned"), idle_ms=idle_ms)


def with_timeout(timeout_ms: int) -> Catalogue:
    change = msgspec.structs.replace
    steps = {name: tuple(change(step, idle_after=None) for step in each.steps) for name, each in journeys.items()}
    return change(
        STREAM_CATALOGUE,
        journeys={
            name: change(each, steps=steps[name], idle_after=f"{timeout_ms}ms", forget_after="1h")
            for name, each in journeys.items()
        },
    )


journeys = STREAM_CATALOGUE.journeys


@settings(max_examples=20, deadline=None)
@given(events=streams(), timeout_ms=st.integers(SHORTEST_MS, 60_000))
def test_a_timeout_worked_out_is_what_a_replay_with_it_tells(events: list[dict[str, Any]], timeout_ms: int) -> None:
    silences, ladder = Silences(SHORTEST_MS), LearnedPromptness()
    for timeout, watch in ((SHORTEST_MS, silences.take), (timeout_ms, ladder.take)):
        Replay(with_timeout(timeout), None, watching=ReplayObservers(watch)).run_lines(iter(lines(events)))
    expected, told = silences.at(timeout_ms), ladder.promptness()
    assert (expected.told, expected.precision) == (told.told, told.precision)
    assert told.told == 0 or told.mean_delay_s == pytest.approx(timeout_ms / 1_000)


def test_the_shortest_timeout_for_a_precision() -> None:
    silences = Silences(30_000)
    silences.take([silence(n, 30_000) for n in range(10)])
    silences.take([back(each) for each in (40_000, 300_000, 35_000, 90_000)])
    assert silences.shortest_for(0.6) == Promptness(10, 0.6, 30.0, 30.0, 30.0)
    assert silences.shortest_for(0.75) == Promptness(8, 0.75, 40.0, 40.0, 40.0)
    assert silences.shortest_for(0.76) == Promptness(7, 6 / 7, 90.0, 90.0, 90.0)
    assert silences.shortest_for(1.0) == Promptness(6, 1.0, 300.0, 300.0, 300.0)
    assert Silences(30_000).shortest_for(0.5) is None


def test_the_ladders_delay_and_precision() -> None:
    ladder = LearnedPromptness(0.9)
    assert ladder.promptness() == Promptness(0, None, None, None, None, 0.9)
    ladder.take([silence(1, 30_000), silence(2, 60_000), back(90_000), silence(3, 120_000)])
    assert ladder.promptness() == Promptness(3, 2 / 3, 70.0, 60.0, None, 0.9)
