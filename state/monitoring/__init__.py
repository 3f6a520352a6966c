"""Journey maps and pain points in Redis."""
