import asyncio

import pytest

from gateway.api.idempotency import IdempotentAnswers
from gateway.http.problems import HttpProblem


class Maker:
    """Makes a new answer each time it is asked, when the test lets it."""

    def __init__(self) -> None:
        self.made = 0
        self.open = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> bytes:
        await self.open.wait()
        if self.error is not None:
            raise self.error
        self.made += 1
        return b"answer %d" % self.made


@pytest.fixture
def maker() -> Maker:
    made = Maker()
    made.open.set()
    return made


async def test_the_same_request_gets_the_same_answer(maker: Maker) -> None:
    answers = IdempotentAnswers()
    assert await answers.answer(("desk", "k"), b"request", maker) == b"answer 1"
    assert await answers.answer(("desk", "k"), b"request", maker) == b"answer 1"
    assert await answers.answer(("other", "k"), b"request", maker) == b"answer 2"


async def test_another_request_under_the_same_key_is_refused(maker: Maker) -> None:
    answers = IdempotentAnswers()
    await answers.answer(("desk", "k"), b"request", maker)
    with pytest.raises(HttpProblem, match=r"422 .*: a new key for a new request"):
        await answers.answer(("desk", "k"), b"another", maker)


async def test_two_at_once_share_one_answer(maker: Maker) -> None:
    maker.open.clear()
    answers = IdempotentAnswers()
    both = [asyncio.create_task(answers.answer(("desk", "k"), b"request", maker)) for _ in range(2)]
    await asyncio.sleep(0.01)
    maker.open.set()
    assert await asyncio.gather(*both) == [b"answer 1", b"answer 1"]


async def test_a_failure_is_told_to_who_waits_and_not_kept(maker: Maker) -> None:
    maker.open.clear()
    maker.error = ConnectionError("away")
    answers = IdempotentAnswers()
    both = [asyncio.create_task(answers.answer(("desk", "k"), b"request", maker)) for _ in range(2)]
    await asyncio.sleep(0.01)
    maker.open.set()
    assert await asyncio.gather(*both, return_exceptions=True) == [maker.error, maker.error]
    maker.error = None
    assert await answers.answer(("desk", "k"), b"request", maker) == b"answer 1"


async def test_a_request_that_is_given_up_frees_its_key(maker: Maker) -> None:
    maker.open.clear()
    answers = IdempotentAnswers()
    given_up, waiting = (asyncio.create_task(answers.answer(("desk", "k"), b"r", maker)) for _ in range(2))
    await asyncio.sleep(0.01)
    given_up.cancel()
    with pytest.raises(HttpProblem, match="given up"):
        await waiting
    maker.open.set()
    assert await answers.answer(("desk", "k"), b"r", maker) == b"answer 1"


async def test_the_oldest_keys_are_let_go(maker: Maker) -> None:
    answers = IdempotentAnswers(keys_kept=2)
    for key in "abc":
        await answers.answer(("desk", key), b"r", maker)
    assert await answers.answer(("desk", "c"), b"r", maker) == b"answer 3"
    assert await answers.answer(("desk", "a"), b"r", maker) == b"answer 4"
