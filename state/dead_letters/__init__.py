"""Events that could not be taken: stored, listed, and put back on the bus after a fix."""
