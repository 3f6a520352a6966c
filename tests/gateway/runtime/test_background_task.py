"""Background work goes on whatever a round meets, is counted and logged, and stops when it should."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.runtime.background_task import LOGGED_EVERY_S, BackgroundTask, Backoff
from gateway.runtime.metrics import GatewayMetrics
from state.redis.connections import StoreUnavailable

Outcome = BaseException | None
AWAY = StoreUnavailable("noting", "nowhere", "gone", "refused", "see that it runs")


class Script:
    """Rounds that end as written; after the last the work waits for ever. Time passes only where the task sleeps."""

    def __init__(self, *outcomes: Outcome, every_s: float = 0.5, backoff: Backoff = Backoff()) -> None:  # noqa: B008
        self._outcomes = list(outcomes)
        self._done = asyncio.Event()
        self.now_s = 0.0
        self.pauses_s: list[float] = []
        self.failed: list[str] = []
        self.task = BackgroundTask(
            "script", every_s, self._once, self.failed.append, backoff, lambda: self.now_s, self._sleep
        )

    async def play(self) -> None:
        self.task.start()
        async with asyncio.timeout(20):
            await self._done.wait()
        await self.task.stop()

    async def _once(self) -> None:
        if not self._outcomes:
            self._done.set()
            await asyncio.Event().wait()
        outcome = self._outcomes.pop(0)
        if outcome is not None:
            raise outcome

    async def _sleep(self, seconds: float) -> None:
        self.pauses_s.append(seconds)
        self.now_s += seconds
        await asyncio.sleep(0)


async def test_it_backs_off_up_to_a_limit_and_a_success_brings_the_usual_pause_back() -> None:
    script = Script(*[ValueError()] * 7, None, None, ValueError(), None)
    await script.play()
    assert script.pauses_s == [1, 2, 4, 8, 16, 30, 30, 0.5, 0.5, 1, 0.5]
    assert script.failed == ["script"] * 8


async def test_a_cancellation_of_something_it_waited_for_does_not_end_it() -> None:
    script = Script(asyncio.CancelledError(), None)
    await script.play()
    assert script.pauses_s == [1, 0.5]
    assert script.failed == ["script"]


async def test_an_outage_and_what_follows_it_are_counted_apart() -> None:
    script = Script(*[AWAY] * 9, ValueError(), AWAY, None)
    await script.play()
    assert script.pauses_s[9:] == [1, 1, 0.5]


async def test_work_done_once_an_hour_is_tried_again_within_half_a_minute() -> None:
    script = Script(ValueError(), ValueError(), AWAY, None, every_s=3_600.0)
    await script.play()
    assert script.pauses_s == [30, 30, 30, 3_600]


async def test_after_a_failure_it_waits_no_less_than_otherwise() -> None:
    script = Script(ValueError(), AWAY, None, every_s=10.0)
    await script.play()
    assert script.pauses_s == [10, 10, 10]


async def test_an_outage_is_not_counted_and_looked_for_often(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    script = Script(*[AWAY] * 5, None)
    await script.play()
    assert script.pauses_s == [1, 2, 2, 2, 2, 0.5]
    assert script.failed == []
    assert caplog.messages == []


@given(st.lists(st.sampled_from([None, ValueError(), RecursionError(), AWAY]), max_size=60))
def test_every_round_comes_whatever_became_of_those_before(outcomes: Sequence[Outcome]) -> None:
    script = asyncio.run(_played(outcomes))
    assert len(script.pauses_s) == len(outcomes)
    assert len(script.failed) == sum(outcome not in {None, AWAY} for outcome in outcomes)
    assert all(0.5 <= pause_s <= 30 for pause_s in script.pauses_s)
    assert [pause_s == 0.5 for pause_s in script.pauses_s] == [outcome is None for outcome in outcomes]


async def _played(outcomes: Sequence[Outcome]) -> Script:
    script = Script(*outcomes)
    await script.play()
    return script


def test_a_pause_stays_finite_after_weeks_of_failures() -> None:
    assert Backoff(0.1, 2.0).pause_s(1) == 0.1
    assert Backoff(0.1, 2.0).pause_s(10_000_000) == 2.0


async def test_the_first_failure_is_logged_with_its_traceback_and_repeats_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    minute = Backoff(LOGGED_EVERY_S / 4, LOGGED_EVERY_S / 4)
    script = Script(*[ValueError("odd")] * 5, KeyError("other"), None, ValueError("odd"), backoff=minute)
    await script.play()
    assert caplog.messages == [
        "background task script failed (1 in a row), next round in 15.0 s",
        "background task script failed (5 in a row), next round in 15.0 s",
        "background task script failed (6 in a row), next round in 15.0 s",
    ]
    assert {record.levelname for record in caplog.records} == {"ERROR"}
    assert "Traceback" in caplog.text
    assert "ValueError: odd" in caplog.text
    assert "KeyError: 'other'" in caplog.text


async def test_it_stops_during_a_round() -> None:
    began, cleaned, failed = asyncio.Event(), asyncio.Event(), list[str]()

    async def once() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    task = BackgroundTask("long", 0.0, once, failed.append)
    task.start()
    await began.wait()
    assert "long" in {each.get_name() for each in asyncio.all_tasks()}
    await task.stop()
    assert cleaned.is_set()
    assert failed == []
    assert "long" not in {each.get_name() for each in asyncio.all_tasks()}


@pytest.mark.parametrize("outcome", [None, ValueError(), AWAY], ids=["pause", "back-off", "outage"])
async def test_it_stops_during_a_pause(outcome: Outcome) -> None:
    pausing, rounds = asyncio.Event(), [0]

    async def once() -> None:
        rounds[0] += 1
        if outcome is not None:
            raise outcome

    async def sleep(_seconds: float) -> None:
        pausing.set()
        await asyncio.Event().wait()

    task = BackgroundTask("pausing", 1.0, once, sleep=sleep)
    task.start()
    await pausing.wait()
    await task.stop()
    assert rounds == [1]
    assert "pausing" not in {each.get_name() for each in asyncio.all_tasks()}


async def test_a_round_that_swallows_a_cancellation_is_ended_all_the_same() -> None:
    began, rounds = asyncio.Event(), [0]

    async def once() -> None:
        rounds[0] += 1
        began.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    task = BackgroundTask("deaf", 3_600.0, once)
    task.start()
    await began.wait()
    async with asyncio.timeout(20):
        await task.stop()
    assert rounds == [1]


async def test_it_may_be_stopped_before_it_starts_and_twice_and_started_anew() -> None:
    script = Script(None)
    await script.task.stop()
    await script.play()
    await script.task.stop()
    script.task.start()
    await script.task.stop()


async def test_a_task_that_runs_is_not_started_again() -> None:
    script = Script()
    script.task.start()
    with pytest.raises(RuntimeError, match=r"task script: found it running, expected it stopped: call stop\(\) before"):
        script.task.start()
    await script.task.stop()


async def test_the_last_round_comes_after_the_end_and_its_failure_is_counted() -> None:
    rounds, failed = [0], list[str]()

    async def once() -> None:
        rounds[0] += 1
        raise ValueError

    task = BackgroundTask("last", 3_600.0, once, failed.append)
    await task.finish()
    assert (rounds, failed) == ([1], ["last"])
    task.start()
    await asyncio.sleep(0)
    await task.finish()
    assert (rounds, failed) == ([3], ["last"] * 3)


async def test_failures_are_counted_in_the_metric() -> None:
    metrics = GatewayMetrics()

    async def once() -> None:
        raise ValueError

    await BackgroundTask("audit", 1.0, once, metrics.background_failed).finish()
    found = metrics.registry.get_sample_value
    assert found("zhiyin_background_failures_total", {"task": "audit"}) == 1
    assert found("zhiyin_background_failures_total", {"task": "retention"}) == 0
