"""What happens to a test whose part is not on this machine: skipped and counted, or failed when it is required."""

from typing import Final, NoReturn

import pytest

REQUIRED: Final = pytest.StashKey[frozenset[str]]()
"""The parts that ``ZHIYIN_REQUIRE`` names."""


def missing(config: pytest.Config, part: str, reason: str) -> NoReturn:
    """End this test because ``part`` is not on this machine: failed if it is required, else skipped for that."""
    fail_if_required(config, part, reason)
    pytest.skip(f"{part}: {reason}")


def fail_if_required(config: pytest.Config, part: str, reason: str) -> None:
    """Fail this test if ``part``, that is missing, is required."""
    if part in config.stash[REQUIRED]:
        pytest.fail(f"ZHIYIN_REQUIRE names {part}, and it is missing: {reason}", pytrace=False)
