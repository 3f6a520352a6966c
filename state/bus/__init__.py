"""The protocol that both buses keep, and the bus on Redis Streams."""
