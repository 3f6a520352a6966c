"""The command line: parsers, and what each command runs."""
