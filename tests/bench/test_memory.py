from collections.abc import Iterator

import msgspec
import pytest

from bench import memory
from bench.holding import Holding
from bench.not_measured import NotMeasured
from bench.scale import QUICK
from bench.shard_process import Holder, ShardSetup
from bench.visits import WINDOW_MS, Visits
from flows.steps.messages import Poll, by_shard
from operators.records.events import Event, read_events

TINY = msgspec.structs.replace(QUICK, repeats=3, attempts=(2_000, 6_000), turn_events=4_000)


def events_of(polls: Iterator[Poll] | list[Poll]) -> list[Event]:
    found = [event for poll in polls for event in read_events(poll.raws)]
    assert all(isinstance(event, Event) for event in found)
    return [event for event in found if isinstance(event, Event)]


class TestVisits:
    def test_begin_in_order_of_time_and_stay_open(self) -> None:
        polls = list(Visits(2_000, struggling=False).fill())
        times_ms = [each for poll in polls for each in poll.times_ms or ()]
        assert times_ms == sorted(times_ms)
        assert len(times_ms) == 3.5 * 2_000
        assert WINDOW_MS * 0.99 < times_ms[-1] - times_ms[0] < WINDOW_MS * 1.01

    def test_have_ids_of_their_own_as_long_as_real_ones(self) -> None:
        events = events_of(Visits(1_500, struggling=True).fill())
        assert len({event.message_id for event in events}) == len(events)
        assert len({event.user_id for event in events}) == 1_500
        assert {len(event.message_id or "") for event in events} == {len(events[0].user_id or "")} == {36}
        assert {event.properties.error_code for event in events if event.properties} == {None, "face_mismatch"}

    def test_go_on_with_other_messages_and_as_many_ends_as_beginnings(self) -> None:
        visits = Visits(500, struggling=False)
        before = {event.message_id for event in events_of(visits.fill())}
        after = events_of(visits.turn(1_300))
        assert len({event.message_id for event in after} | before) == len(before) + 1_300
        ended = sum(event.event == "Transaction Completed" for event in after)
        assert ended == pytest.approx(200, abs=2)
        assert len(events_of(visits.turn(700))) == 700


class TestHouse:
    @pytest.mark.parametrize("kind", ["plain", "struggling", "hinted"])
    def test_holds_as_many_as_it_should_all_the_time(self, kind: str) -> None:
        holder = Holder(1_000, kind)
        assert holder.answer("memory")["open_attempts"] == 1_000
        turn = holder.answer("turn", "3000")
        assert turn["open_attempts"] == pytest.approx(1_000, abs=10)
        assert 0 < turn["cpu_s"] < turn["wall_s"] * 2

    def test_refuses_other_orders(self) -> None:
        with pytest.raises(ValueError, match="order: found 'sing', expected memory or turn EVENTS"):
            Holder(1, "plain").answer("sing")

    def test_hints_are_made_where_they_are_asked_for(self) -> None:
        house = ShardSetup(hinted=True)
        for poll in Visits(200, struggling=True).fill():
            house.take(by_shard(poll, len(house.shards)))
        assert house.open_attempts == 200
        assert house.hinted_customers > 150


class TestHolding:
    def test_answers_from_a_process_of_its_own(self) -> None:
        with Holding(700, "plain") as holding:
            assert holding.ask("memory")["open_attempts"] == 700

    def test_says_that_the_process_ended(self) -> None:
        with (
            Holding(10, "plain") as holding,
            pytest.raises(NotMeasured, match=r"the process ended with 1, expected an"),
        ):
            holding.ask("sing")

    def test_says_that_it_holds_another_number(self) -> None:
        with Holding(100, "plain") as holding:
            holding.attempts = 110
            with pytest.raises(NotMeasured, match=r"\(plain\) not measured: found 100 open, expected about 110"):
                holding.ask("memory")


@pytest.mark.slow
def test_memory_is_bytes_an_attempt_and_signals_cost_more() -> None:
    figures = {each.name: each for each in memory.measure(TINY)}
    plain, struggling, hinted = (
        figures[f"memory an open attempt, 6,000 open, {kind}"]
        for kind in ("no signals", "with signals", "with signals, decisions and hints")
    )
    assert 0.3 < plain.value < struggling.value < hinted.value < 20
    speed = figures["speed with 6,000 open / with 2,000, no signals"]
    assert 0.05 < speed.lowest < speed.highest < 20
    assert len(figures) == 7
