"""Tests of the gateway's parts run over hints in memory and in Redis."""

from tests.gateway.fixtures import house

__all__ = ["house"]
