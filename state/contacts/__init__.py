"""Bundles, agents' presence, hand-over, and hot questions in Redis."""
