"""The version of this Zhiyin, as commands print it and as dead letters and reports carry it."""

from typing import Final

VERSION: Final = "0.1.0"
