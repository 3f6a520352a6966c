"""How a run that failed is told: our own error first, and the core's words only where there is nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.errors import BytewaxRuntimeError
from bytewax.operators import StatefulBatchLogic
from bytewax.testing import TestingSink, TestingSource

from flows.cluster.member import AddressUnusable, Member, MemberLost
from flows.cluster.recovery_folder import Layout, RecoveryUnusable
from flows.live import runner
from flows.live.runner import EnginePanic, run_dataflow

SET = Member(1, ("a:1", "b:2"))


class Boom(Exception):
    """Something of ours."""


class Failing(StatefulBatchLogic[int, int, int]):
    """Raises where it is told to."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._raise("build")

    def _raise(self, here: str) -> None:
        if self._where == here:
            raise Boom(here)

    def on_batch(self, values: list[int]) -> tuple[list[int], bool]:
        self._raise("on_batch")
        return values, StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[list[int], bool]:
        self._raise("on_eof")
        return [], StatefulBatchLogic.RETAIN

    def snapshot(self) -> int:
        self._raise("snapshot")
        return 1


def flow_that_fails(where: str) -> Dataflow:
    flow = Dataflow("failing")
    numbers = op.input("in", flow, TestingSource([("a", 1), ("b", 2)]))
    through = op.stateful_batch("logic", numbers, lambda _: Failing(where))
    op.output("out", op.map("map", through, lambda each: _fail() if where == "map" else each), TestingSink([]))
    return flow


def _fail() -> object:
    raise Boom("map")


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("where", ["build", "on_batch", "on_eof", "snapshot", "map"])
def test_what_a_callback_raised_comes_out_as_it_is(where: str, workers: int, tmp_path: Path) -> None:
    layout = Layout(tmp_path, 4, 2)
    layout.prepare()
    with pytest.raises(Boom, match=where):
        run_dataflow(flow_that_fails(where), workers, 0, layout)


def test_nothing_raised_is_nothing_told() -> None:
    run_dataflow(flow_that_fails("nowhere"), 1)


def test_an_interrupt_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_run", _raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        run_dataflow(flow_that_fails("nowhere"), 1)


class PanicException(BaseException):
    """As the engine's core raises it; its own can't be imported."""


@pytest.mark.parametrize(
    ("raised", "member", "error", "words"),
    [
        (
            PanicException("Send thread panic: Any { .. }"),
            SET,
            MemberLost,
            r"process 1 of a set of 2: another process of the set has ended \(one of a:1\), so this one ends too",
        ),
        (
            RuntimeError("error building\nCaused by => failed to initialize networking: Address already in use"),
            SET,
            AddressUnusable,
            r"process 1 of a set of 2: can't listen on b:2 \(Address already in use\), expected a free address",
        ),
        (
            RuntimeError('Result::unwrap()` on: SqliteFailure(Error { code: 13 }, Some("database or disk is full"))'),
            SET,
            RecoveryUnusable,
            "recovery folder .*: database or disk is full, expected a whole folder on a disk with room",
        ),
        (
            PanicException("index out\n of bounds"),
            Member(),
            EnginePanic,
            r"the core of the engine gave up \(index out of bounds\); start it again, it goes on from the last snap",
        ),
        (BytewaxRuntimeError("no cause"), SET, EnginePanic, r"gave up \(no cause\)"),
    ],
)
def test_the_cores_own_words_are_put_into_ours(
    raised: BaseException,
    member: Member,
    error: type[Exception],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layout = Layout(tmp_path, 4, 2)
    layout.prepare()
    monkeypatch.setattr(runner, "_run", _raising(raised))
    with pytest.raises(error, match=words):
        run_dataflow(flow_that_fails("nowhere"), 1, 1_000, layout, member)


def _raising(error: BaseException) -> Callable[..., Any]:
    def run(*_: object, **__: object) -> None:
        raise error

    return run
