"""Bytewax dataflows, sources, sinks and dead letters: wiring that fits on a page. No decisions."""
