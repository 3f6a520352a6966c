"""The engine process: start, sinks by the settings, models saved, shutdown."""
