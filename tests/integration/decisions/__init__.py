"""Decisions of several subjects together."""
