"""Waiting for a store that is away: further and further apart, said once, and over when told to stop."""

import logging
from functools import partial

import pytest

from operators.hints.hint import Retirement
from state.hints.writer import RedisHintWriter
from state.redis.connections import StoreUnavailable, connect
from state.redis.retry import LONGEST_PAUSE_S, retry_while_unavailable
from tests.parts.redis_server import RedisServer
from tests.state.houses import NOON_MS, make_hint

LOG = logging.getLogger("tests.retry")


class AwayStore:
    """A store that is away for the first ``times`` calls."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self) -> str:
        self.left -= 1
        if self.left >= 0:
            raise StoreUnavailable("writing", "here:1", "gone", "refused", "start it")
        return "done"


def never() -> bool:
    return False


def test_what_works_is_done_at_once(caplog: pytest.LogCaptureFixture) -> None:
    slept: list[float] = []
    assert retry_while_unavailable(AwayStore(0), never, slept.append, LOG) == "done"
    assert (slept, caplog.records) == ([], [])


def test_tries_further_and_further_apart(caplog: pytest.LogCaptureFixture) -> None:
    slept: list[float] = []
    caplog.set_level("INFO")
    assert retry_while_unavailable(AwayStore(9), never, slept.append, LOG, chance=lambda: 1.0) == "done"
    assert slept == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, LONGEST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "writing: Redis at here:1 is gone (refused); start it; trying on"),
        ("INFO", "the store is back"),
    ]


def test_each_reason_why_it_stays_away_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    kinds = iter(["gone", "slow", "gone", "slow", "loading"])

    def away() -> str:
        for kind in kinds:
            raise StoreUnavailable("writing", "here:1", kind, "why", "advice")
        return "done"

    assert retry_while_unavailable(away, never, lambda _: None, LOG) == "done"
    assert [record.getMessage().split(" is ")[1].split(" ")[0] for record in caplog.records] == [
        *("gone", "slow", "loading")
    ]


def test_pauses_are_spread() -> None:
    slept: list[float] = []
    retry_while_unavailable(AwayStore(2), never, slept.append, LOG, chance=lambda: 0.0)
    assert slept == [0.025, 0.05]
    slept.clear()
    retry_while_unavailable(AwayStore(60), never, slept.append, LOG)
    assert all(LONGEST_PAUSE_S / 2 <= pause_s <= LONGEST_PAUSE_S for pause_s in slept[6:])
    assert len(set(slept)) == 60


def test_stops_when_told_to() -> None:
    slept: list[float] = []
    with pytest.raises(StoreUnavailable, match="writing: Redis at here:1 is gone"):
        retry_while_unavailable(AwayStore(99), lambda: len(slept) == 3, slept.append, LOG)
    assert len(slept) == 3


def test_other_errors_come_out() -> None:
    def broken() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        retry_while_unavailable(broken, never, lambda _: None, LOG)


def test_redis_going_away_in_the_middle_costs_nothing(redis_server: RedisServer) -> None:
    orders = [make_hint(f"h{number}", customer_id=f"c{number}") for number in range(20)]
    with connect(redis_server.url) as client:
        store = RedisHintWriter(client, lambda: NOON_MS)
        told = [store.place(hint, "d1") for hint in orders[:10]]
        redis_server.kill()
        again = iter([redis_server.start])
        tellings = [partial(store.place, hint, "d1") for hint in orders[5:]]
        told += [retry_while_unavailable(tell, never, lambda _: next(again)(), LOG) for tell in tellings]
        assert told == [True] * 10 + [False] * 5 + [True] * 10
        assert store.retire(Retirement("h0", "c0", "returned", NOON_MS))
        assert client.xlen("zy:channel:desk:d1") == 21
