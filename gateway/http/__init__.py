"""The HTTP application: problems, bodies, limits, client addresses."""
