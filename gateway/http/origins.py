"""Whose pages may talk to us: the ``Origin`` a browser sends, held against a list.

In: the Origin and Host of a request, and the origins allowed. Out: whether it may go on. Refused: a page of another
origin. Programs that are no browser send no Origin and are let in: what keeps those out is the key or the token.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

ANY: Final = "*"
SELF: Final = "self"
"""Pages that this gateway serves itself: the Origin's host name is the one that was asked, on whatever port."""


def may_ask(origin: str | None, host: str | None, allowed: Sequence[str]) -> bool:
    """Whether a request from ``origin`` (None: no browser) to ``host`` is allowed."""
    if origin is None or ANY in allowed or origin in allowed:
        return True
    return SELF in allowed and host is not None and _host_name(origin) == _host_name(f"//{host}") is not None


def _host_name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
