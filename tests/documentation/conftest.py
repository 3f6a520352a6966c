"""The reference of the websocket is tested over hints in memory and in Redis."""

from tests.gateway.fixtures import house

__all__ = ["house"]
