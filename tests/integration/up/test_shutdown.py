"""The whole house stops on SIGTERM: desks are told, everything is out in ten seconds, and nothing is read again."""

import re
import signal
import time
from pathlib import Path

import httpx
import pytest
import redis
from websockets.exceptions import ConnectionClosed

from tests.integration.engine.engine_process import told_facts, until
from tests.parts.pace import slowness_since
from tests.zhiyin.up.house_up import QUICK, DeskClient, HouseUp, broken_off, desk_of

LONGEST_S = 10.0
READ = re.compile(r"engine stopped: events (\d+)")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_sigterm_ends_everything_in_ten_seconds_and_the_next_start_reads_nothing_again(
    tmp_path: Path, workers: int
) -> None:
    environment = {"ZHIYIN_WORKERS": str(workers)}
    with HouseUp(tmp_path / "var", "--catalog", str(QUICK), environment=environment) as house, desk_of(house) as desk:
        events = [event for number in range(50) for event in broken_off(f"c{number}")]
        for begin in range(0, len(events), 100):
            assert house.post(*events[begin : begin + 100]).status_code == httpx.codes.OK
        # Some of them have been read, some wait on the bus.
        began = time.monotonic()
        assert house.interrupt(signal.SIGTERM) == 0
        assert time.monotonic() - began < LONGEST_S * slowness_since(began)
        with pytest.raises(ConnectionClosed, match="1012"):
            _read_to_the_end(desk)
        read = _read_by(house)
    with HouseUp(tmp_path / "var", "--catalog", str(QUICK), environment=environment) as house:
        client = redis.Redis.from_url(house.addresses["redis"])
        until(lambda: len(told_facts(client, ("abandoned",))) == 50, "everybody's silence")
        assert house.interrupt(signal.SIGTERM) == 0
        assert read + _read_by(house) == len(events)


def _read_to_the_end(desk: DeskClient) -> None:
    desk.event("created", "nobody")


def _read_by(house: HouseUp) -> int:
    [number] = READ.findall("\n".join(house.said))
    return int(number)
