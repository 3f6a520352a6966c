"""What is remembered between processes: the bus, hints, desk channels; every Redis key in one table."""
