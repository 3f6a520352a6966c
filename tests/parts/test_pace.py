"""The measure of a machine's slowness."""

import time

from tests.parts.pace import Pace


def test_an_idle_moment_has_a_slowness_and_the_seconds_of_its_block() -> None:
    began = time.monotonic()
    with Pace() as pace:
        time.sleep(0.3)
    assert 0.3 <= pace.wall_s <= time.monotonic() - began
    assert pace.slowness >= 1.0
