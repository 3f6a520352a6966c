"""The hub's verifier, which finds that a store was emptied, goes on after any error."""

import pytest

from gateway.push.hub import Hub
from tests.gateway.push.test_hub import CHANNEL, Ear, until_said
from tests.state.houses import NOON_MS, MemoryHouse


async def test_the_verifier_goes_on_after_an_answer_it_cannot_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.push.hub.VERIFY_EVERY_S", 0.01)
    house, asked = MemoryHouse(), [0]

    async def stands(names: list[str]) -> list[tuple[str, int]]:
        asked[0] += 1
        if asked[0] == 1:
            raise ValueError("not enough values to unpack (expected 2, got 1)")
        return [("another life", 0) for _ in names]

    monkeypatch.setattr(house.board, "positions", stands)
    hub = Hub(house.board, lambda: NOON_MS)
    ear = Ear()
    await hub.join(CHANNEL, ear)
    hub.start()
    await until_said(ear, "lost")
    assert asked[0] == 2
    await hub.stop()
