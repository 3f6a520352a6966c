"""A server of desks' websockets."""

from collections.abc import AsyncIterator

import pytest

from tests.gateway.push_house import Hall, open_hall
from tests.state.houses import House


@pytest.fixture
async def hall(house: House) -> AsyncIterator[Hall]:
    """Open, over a house of hints."""
    async with open_hall(house) as opened:
        yield opened
