"""Simulated customers with planted reasons."""
