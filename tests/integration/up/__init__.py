"""The whole set-up, from an event over HTTP to the desk."""
