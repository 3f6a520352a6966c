"""Words for the person at the terminal, never on stdout, where programs read; and the way out.

In: a line. Out: the line on stderr. Refused: nothing; where nobody listens any more it is lost.
"""

import contextlib
import logging
import os
import sys
from typing import NoReturn


def say(line: str) -> None:
    """One line on stderr, at once."""
    with contextlib.suppress(OSError):
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


def leave(code: int) -> NoReturn:
    """End this process. Where the engine ran, its threads may still be ending: they must not outlive Python."""
    if "bytewax" in sys.modules:
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        os._exit(code)
    sys.exit(code)
