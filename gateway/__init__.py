"""Talking: events come in over HTTP; hints go out to desks over websockets, to bots, and on pages."""
