"""Tasks end, also those that a cancellation passes by once."""

import asyncio
from contextlib import suppress

from gateway.runtime.tasks import cancel_and_wait


async def test_a_task_that_swallows_a_cancellation_is_told_again() -> None:
    swallowed = asyncio.Event()

    async def deaf() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3_600)
        swallowed.set()
        await asyncio.sleep(3_600)

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    await cancel_and_wait(task)
    assert swallowed.is_set()
    assert task.cancelled()


async def test_what_a_task_died_of_is_nobodys_matter_any_more() -> None:
    async def broken() -> None:
        raise ValueError

    task = asyncio.create_task(broken())
    await asyncio.wait((task,))
    await cancel_and_wait(task)
    await cancel_and_wait()
