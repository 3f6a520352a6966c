"""A producer far faster than the engine fills the bus, not memory, and nobody is told yes for what was not kept."""

import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.engine.engine_process import until
from tests.zhiyin.up.house_up import HouseUp

SENDING_S = float(os.environ.get("ZHIYIN_TEST_BACKPRESSURE_S", "8"))
"""Sixty for the long run (docs/how-to/run-the-tests.md)."""
MOST_WAITING = 1_500
MOST_BYTES = 32 << 20
BATCH_EVENTS = 250
AWAKE_S, ASLEEP_S = 0.05, 0.7


@contextmanager
def hardly_running(pid: int) -> Iterator[None]:
    """The process runs a fifteenth of the time while the block does."""
    over = threading.Event()

    def hold() -> None:
        while not over.is_set():
            os.kill(pid, signal.SIGSTOP)
            over.wait(ASLEEP_S)
            os.kill(pid, signal.SIGCONT)
            over.wait(AWAKE_S)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def a_batch(number: int) -> list[dict[str, object]]:
    return [
        {"type": "track", "event": "Order Viewed", "userId": f"c{number % 50}-{index}", "messageId": uuid.uuid4().hex}
        for index in range(BATCH_EVENTS)
    ]


def metric(url: str, name: str, **labels: str) -> float:
    """The sum of a metric's samples with these labels."""
    text = httpx.get(url, timeout=120).text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def until_at_work(house: HouseUp, events: int) -> None:
    """Waits until the engine has taken ``events``: before, it still grows to the memory it works in."""

    def taken() -> bool:
        try:
            found = metric(house.addresses["metrics"]["engine"], "zhiyin_engine_events_total", outcome="ignored")
        except httpx.TransportError:
            return False
        return found == events

    until(taken, f"an engine that has taken {events} events")


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_producer_far_faster_than_the_engine_fills_the_bus_and_not_memory(tmp_path: Path) -> None:
    environment = {
        "ZHIYIN_BUS_MAX_EVENTS": str(MOST_WAITING),
        "ZHIYIN_POLL_EVENTS": "20",
        "ZHIYIN_EPOCH_MS": "500",
    }
    with HouseUp(tmp_path, environment=environment) as house:
        metrics = house.addresses["metrics"]

        def lag() -> float:
            return metric(metrics["engine"], "zhiyin_bus_lag_events")

        parts = [psutil.Process(house.process(f"zhiyin {name}")) for name in ("engine", "gateway")]
        assert house.post(*a_batch(0)).status_code == 200
        until_at_work(house, BATCH_EVENTS)
        kept, refused = BATCH_EVENTS, 0
        before_bytes = [part.memory_info().rss for part in parts]
        most_bytes = list(before_bytes)
        with hardly_running(parts[0].pid):
            give_up = time.monotonic() + SENDING_S
            while time.monotonic() < give_up:
                answer = house.post(*a_batch(kept + refused))
                if answer.status_code == 200:
                    kept += BATCH_EVENTS
                else:
                    assert answer.status_code in {429, 503}, answer.text
                    assert int(answer.headers["Retry-After"]) >= 1
                    refused += BATCH_EVENTS
                most_bytes = [max(most, part.memory_info().rss) for most, part in zip(most_bytes, parts, strict=True)]
            until(lambda: lag() > MOST_WAITING / 2, "the engine never said how much waits")
        assert refused > 0, "the bus was never full"
        until(
            lambda: metric(metrics["engine"], "zhiyin_engine_events_total", outcome="ignored") >= kept, "all taken", 60
        )
        assert metric(metrics["engine"], "zhiyin_engine_events_total") == kept, "exactly what was answered with yes"
        until(lambda: lag() == 0, "no lag any more")
        until(lambda: house.post(*a_batch(1)).status_code == 200, "room again once snapshots let the bus forget")
        grown = [most - before for most, before in zip(most_bytes, before_bytes, strict=True)]
        assert max(grown) < MOST_BYTES, f"engine and gateway grew by {grown} bytes"
        assert house.interrupt() == 0
