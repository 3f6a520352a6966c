"""Recordings through the same dataflow, in one process or several."""
