"""Where events come from: the bus, or a recording."""
