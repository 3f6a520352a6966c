"""What every part of the gateway runs on: metrics, background tasks, garbage collection."""
