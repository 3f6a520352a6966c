"""Whom an agent should call first, and with what information."""
