"""What the engine counts for Prometheus."""
