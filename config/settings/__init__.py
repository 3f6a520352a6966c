"""The settings: one table, read from files, environment and command line, and checked."""
