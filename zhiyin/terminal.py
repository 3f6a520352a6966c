"""Words for the person at the terminal; never on stdout, where programs read.

In: a line. Out: the line on stderr. Refused: nothing; where nobody listens any more it is lost.
"""

import contextlib
import sys


def say(line: str) -> None:
    """One line on stderr, at once."""
    with contextlib.suppress(OSError):
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
