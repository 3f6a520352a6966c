"""What a process says of itself, one line each on stderr, in UTC.

In: the setting ``log_level``. Out: lines. Refused: nothing.
"""

import logging
import sys
import time
from typing import Final

FORMAT: Final = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s"
TIME: Final = "%Y-%m-%dT%H:%M:%S"


def log_to_stderr(level: str) -> None:
    """Every log of this process from ``level`` (debug, info, warning, error) up; other people's from warning up."""
    formatter = logging.Formatter(FORMAT, TIME)
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("zhiyin").setLevel(level.upper())
