"""Child processes: the supervisor, an embedded Redis, probes of what is there."""
