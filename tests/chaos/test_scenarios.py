"""Whatever befalls it: everything is told, once. ``scenarios`` says what befalls it."""

import pytest

from tests.chaos.conftest import Running, Scenario
from tests.chaos.scenarios import (
    ON_A_CLOCK,
    ON_A_SMALL_DISK,
    ON_KAFKA,
    ON_REDIS,
    killed_on_kafka_with_two_workers,
    killed_on_redis_with_two_workers,
    redis_is_full,
    the_disk_is_full,
)

ALWAYS = (killed_on_redis_with_two_workers, killed_on_kafka_with_two_workers, redis_is_full, the_disk_is_full)
"""The short version: about a minute. The others are asked for."""

NEEDS = (
    (ON_REDIS, ("redis",)),
    (ON_KAFKA, ("redis", "kafka")),
    (ON_A_SMALL_DISK, ("redis", "small_disk")),
    (ON_A_CLOCK, ("redis", "cc")),
)
SCENARIOS = [
    pytest.param(
        each, id=each.__name__, marks=pytest.mark.requires(*parts, *(() if each in ALWAYS else ("scenarios",)))
    )
    for group, parts in NEEDS
    for each in group
]


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_all_is_told_once(running: Running, scenario: Scenario) -> None:
    assert running[scenario].result() == []
