"""The contract suites run in memory and on the real Redis, new and old."""

from tests.state.fixtures import house

__all__ = ["house"]
