"""Events become observations: attempts, silences, checkpoints, signs of struggle."""
