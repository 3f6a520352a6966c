"""Hints in Redis: written by the engine, read and moved by the gateway."""
