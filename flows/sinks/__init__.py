"""Sinks that do not know their subject: a list, a topic, and what they count."""
