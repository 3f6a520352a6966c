"""What happens to a test whose part is not on this machine: skipped and counted, or failed when it is required."""

from typing import Final, NoReturn

import pytest

MISSING: Final = pytest.StashKey[dict[tuple[str, str], int]]()
"""How many tests wanted each part that is missing, by part and reason."""

REQUIRED: Final = pytest.StashKey[frozenset[str]]()
"""The parts that ``ZHIYIN_REQUIRE`` names."""


def missing(config: pytest.Config, part: str, reason: str) -> NoReturn:
    """End this test because ``part`` is not on this machine: failed if it is required, else skipped and counted."""
    fail_if_required(config, part, reason)
    counts = config.stash[MISSING]
    counts[part, reason] = counts.get((part, reason), 0) + 1
    pytest.skip(f"{part}: {reason}")


def fail_if_required(config: pytest.Config, part: str, reason: str) -> None:
    """Fail this test if ``part``, that is missing, is required."""
    if part in config.stash[REQUIRED]:
        pytest.fail(f"ZHIYIN_REQUIRE names {part}, and it is missing: {reason}", pytrace=False)
