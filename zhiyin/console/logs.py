"""What a process says of itself, one line each on stderr, in UTC.

In: the settings, for ``log_level`` and for what must not be said. Out: lines. Refused: nothing.
"""

import logging
import sys
import time
from typing import Final

from config import Settings
from zhiyin.console.log_masking import formatter_for

FORMAT: Final = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s"
TIME: Final = "%Y-%m-%dT%H:%M:%S"


def log_to_stderr(settings: Settings) -> None:
    """Every log of this process from ``log_level`` up, other people's from warning up; secrets and customers masked."""
    formatter = formatter_for(settings, FORMAT, TIME)
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("zhiyin").setLevel(settings.log_level.upper())
