"""Real engine processes over a real Redis, stopped, killed and started again."""
