"""A real gateway under attack, outages and real SDKs."""
