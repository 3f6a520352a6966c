"""The journals of the engine's state, and saved models."""
