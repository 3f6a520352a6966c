"""Words for the person at the terminal; never on stdout, where programs read."""

import sys


def say(line: str) -> None:
    """One line on stderr, at once."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
