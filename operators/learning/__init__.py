"""Is this silence an abandonment? Scores at checkpoints, learnt decisions, and their outcomes."""
