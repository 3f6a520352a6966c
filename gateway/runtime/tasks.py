"""Cancels tasks until they have ended."""

import asyncio
from typing import Any, Final

AGAIN_AFTER_S: Final = 0.1


async def cancel_and_wait(*tasks: asyncio.Task[Any]) -> None:
    """Cancels tasks until they are over, however they ended.

    Once is not enough: redis-py swallows a cancellation that meets it while it connects.
    """
    going = set(tasks)
    while going:
        for task in going:
            task.cancel()
        _, going = await asyncio.wait(going, timeout=AGAIN_AFTER_S)
    await asyncio.gather(*tasks, return_exceptions=True)
