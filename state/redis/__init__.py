"""Connections, keys, channels and scripts of Redis."""
