"""Each loop of the gateway goes on after a round that failed in a way nobody foresaw."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from gateway.auth import jwks
from gateway.auth.tokens import Token
from gateway.push import chatbot_webhook, hint_lifecycle, hub, presence_heartbeat, server
from gateway.push.channel_entry import CREATED, ChannelEvent
from gateway.push.meter import NoMeter
from gateway.runtime import retention_task
from gateway.runtime.background_task import BackgroundTask
from gateway.runtime.metrics import BACKGROUND_FAILURES, GatewayMetrics
from gateway.services import audit
from gateway.services.hint_feedback import Feedback
from state.audit.trail import AuditTrail, ShownItem
from state.bus.protocol import OutgoingEvent
from state.contacts.handover import HintHandover
from state.contacts.presence import Presence
from state.redis.connections import connect_async
from tests.gateway.auth.test_jwks import OURS, jwk
from tests.gateway.push.test_hub import Ear
from tests.gateway.running import gateway_settings
from tests.state.houses import NOON_MS, MemoryHouse

NOWHERE = "redis://127.0.0.1:1/0"
Failed = Callable[[str], None]
Stop = Callable[[], Awaitable[None]]
Start = Callable[["BreaksOnce", Failed, pytest.MonkeyPatch, Path], Awaitable[Stop]]


class BreaksOnce:
    """Raises at its first call; ``again`` is set at the second, which answers ``answer``."""

    def __init__(self, answer: object = None) -> None:
        self.again = asyncio.Event()
        self._calls = 0
        self._answer = answer

    def __call__(self, *_: object) -> object:
        self._calls += 1
        if self._calls == 1:
            raise LookupError("nobody foresaw this")
        self.again.set()
        return self._answer

    async def later(self, *_: object) -> object:
        return self()


async def audited(broken: BreaksOnce, failed: Failed, patch: pytest.MonkeyPatch, _: Path) -> Stop:
    patch.setattr(AuditTrail, "write", broken.later)
    auditor = audit.Auditor(AuditTrail(connect_async(NOWHERE), b"key"), lambda: NOON_MS, lambda _: None, failed)
    auditor.start()
    auditor.pushed(Token("desk-1", "agent", 9), ShownItem("hint", "h1", "anna"))
    return auditor.stop


async def delivered(broken: BreaksOnce, failed: Failed, patch: pytest.MonkeyPatch, _: Path) -> Stop:
    house = MemoryHouse()
    patch.setattr(house.board, "deliver", broken.later)
    lives = hint_lifecycle.HintLifecycle(house.board, lambda: NOON_MS, failed)
    lives.start()
    lives.delivered("h1")
    return lives.stop


async def expired(broken: BreaksOnce, failed: Failed, patch: pytest.MonkeyPatch, _: Path) -> Stop:
    house = MemoryHouse()
    patch.setattr(house.board, "expire", broken.later)
    lives = hint_lifecycle.HintLifecycle(house.board, lambda: NOON_MS, failed)
    lives.start()
    return lives.stop


async def read(broken: BreaksOnce, failed: Failed, patch: pytest.MonkeyPatch, _: Path) -> Stop:
    house = MemoryHouse()
    made = hub.Hub(house.board, lambda: NOON_MS, failed)
    await made.join("desk:d1", Ear())
    patch.setattr(house.board, "wait", broken.later)
    made.start()
    return made.stop


async def verified(broken: BreaksOnce, failed: Failed, patch: pytest.MonkeyPatch, _: Path) -> Stop:
    house = MemoryHouse()
    made = hub.Hub(house.board, lambda: NOON_MS, failed)
    await made.join("desk:d1", Ear())
    patch.setattr(house.board, "positions", broken.later)
    made.start()
    return made.stop


async def beaten(broken: BreaksOnce, failed: Failed, patch: pytest.MonkeyPatch, _: Path) -> Stop:
    client = connect_async(NOWHERE)
    rerouting = HintHandover(client, 1_000)
    patch.setattr(rerouting, "overdue", broken.later)
    beats = presence_heartbeat.PresenceHeartbeat(Presence(client), rerouting, lambda: (), lambda: NOON_MS, failed)
    beats.start()
    return beats.stop


async def retained(broken: BreaksOnce, failed: Failed, patch: pytest.MonkeyPatch, _: Path) -> Stop:
    patch.setattr(retention_task, "let_go", broken.later)
    retention = retention_task.Retention(connect_async(NOWHERE), gateway_settings(NOWHERE), lambda: NOON_MS, failed)
    retention.start()
    return retention.stop


async def keys_read(broken: BreaksOnce, failed: Failed, patch: pytest.MonkeyPatch, folder: Path) -> Stop:
    path = folder / "keys.json"
    path.write_text(json.dumps({"keys": [jwk(OURS, "k1")]}))
    keys = jwks.KeySet(str(path), time.monotonic, failed)
    await keys.start()
    patch.setattr(jwks, "AT_ONCE_S", 0.0)
    patch.setattr(jwks, "REFRESH_S", 0.01)
    patch.setattr(jwks, "usable_keys", broken)
    return keys.stop


class NoBus:
    async def append(self, events: Sequence[OutgoingEvent]) -> None:
        pytest.fail(f"nothing is to be appended here, found {len(events)} events")


async def looked_after(broken: BreaksOnce, failed: Failed, patch: pytest.MonkeyPatch, _: Path) -> Stop:
    house = MemoryHouse()
    meter = NoMeter()
    patch.setattr(meter, "task_failed", failed)
    push = server.PushServer(
        gateway_settings(None), house.board, Feedback(house.board, NoBus(), lambda: NOON_MS), meter
    )
    await push.start("127.0.0.1", 0)
    patch.setattr(push, "_slices", broken)
    return push.stop


def webhook(failed: Failed, patch: pytest.MonkeyPatch) -> tuple[chatbot_webhook.ChatbotWebhook, hub.Hub]:
    house, metrics = MemoryHouse(), GatewayMetrics()
    patch.setattr(metrics, "background_failed", failed)
    made = hub.Hub(house.board, lambda: NOON_MS)
    return chatbot_webhook.ChatbotWebhook("http://127.0.0.1:1", made, house.board, metrics), made


async def listened(broken: BreaksOnce, failed: Failed, patch: pytest.MonkeyPatch, _: Path) -> Stop:
    hook, channels = webhook(failed, patch)
    patch.setattr(channels, "join", broken.later)
    await hook.start()
    return hook.stop


async def called(broken: BreaksOnce, failed: Failed, patch: pytest.MonkeyPatch, _: Path) -> Stop:
    hook, _channels = webhook(failed, patch)
    patch.setattr(hook, "_is_open", broken.later)
    await hook.start()
    for offset in (1, 2):
        hook.on_event(ChannelEvent(offset, b'{"data":{"hint_id":"h1"}}', CREATED, None, None))
    return hook.stop


LOOPS: dict[str, tuple[Start, object]] = {
    "audit": (audited, None),
    "chatbot_caller": (called, False),
    "chatbot_listener": (listened, None),
    "channel_reader": (read, {}),
    "channel_verifier": (verified, []),
    "desk_deadlines": (looked_after, ()),
    "hint_deliveries": (delivered, 1),
    "hint_expiry": (expired, 0),
    "presence": (beaten, []),
    "retention": (retained, Counter[str]()),
    "token_keys": (keys_read, {}),
}


@pytest.mark.parametrize("name", LOOPS)
async def test_a_loop_survives_what_nobody_foresaw(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def brief(_seconds: float) -> None:
        await asyncio.sleep(0.001)

    for module in (audit, chatbot_webhook, hint_lifecycle, hub, presence_heartbeat, retention_task, jwks, server):
        monkeypatch.setattr(module, "BackgroundTask", partial(BackgroundTask, sleep=brief))
    start, answer = LOOPS[name]
    broken, failed = BreaksOnce(answer), list[str]()
    stop = await start(broken, failed.append, monkeypatch, tmp_path)
    async with asyncio.timeout(20):
        await broken.again.wait()
    assert failed[0] == name
    assert name in {task.get_name() for task in asyncio.all_tasks()}
    await stop()
    assert not {task.get_name() for task in asyncio.all_tasks()} & set(LOOPS)


def test_each_task_is_in_the_metric_from_the_start() -> None:
    assert BACKGROUND_FAILURES.known == tuple((name,) for name in sorted(LOOPS))
