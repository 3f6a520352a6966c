"""Takes a batch apart when one of its events is not readable JSON.

In: the bytes of a batch request that a JSON decoder refused (a lone surrogate, a
thousand brackets, a word that is no JSON, somewhere in one event). Out: the bytes of
each event as they came, and the request without them, so that one bad event does not
take the others with it. Refused (None): bytes whose strings and brackets do not close,
or that have no ``batch`` list; there is nothing left to take apart.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

_TOKENS: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)
_BATCH_KEY: Final = re.compile(rb'"batch"\s*:\s*\[')
_OPENING: Final = frozenset((b"{", b"["))
_CLOSING: Final = {b"}": b"{", b"]": b"["}


class SplitBatch(msgspec.Struct, frozen=True):
    """``envelope``: the request with an empty batch; ``events``: the bytes of each event."""

    envelope: bytes
    events: list[bytes]


def split_batch(body: bytes) -> SplitBatch | None:
    """The events of ``body`` by its brackets and strings alone, or None when those do not close."""
    start = _list_start(body)
    if start is None:
        return None
    cuts = list(_cuts(body, start))
    if not cuts or body[cuts[-1] : cuts[-1] + 1] != b"]":
        return None
    pieces = [body[left + 1 : right].strip() for left, right in zip([start, *cuts], cuts, strict=False)]
    return SplitBatch(body[: start + 1] + body[cuts[-1] :], [] if pieces == [b""] else pieces)


def _list_start(body: bytes) -> int | None:
    """Where the list of the outermost ``batch`` key opens."""
    depth = 0
    for token in _TOKENS.finditer(body):
        text = token.group()
        if text in _OPENING:
            depth += 1
        elif text in _CLOSING:
            depth -= 1
        elif depth == 1 and text == b'"batch"':
            match = _BATCH_KEY.match(body, token.start())
            return match.end() - 1 if match else None
    return None


def _cuts(body: bytes, start: int) -> Iterator[int]:
    """The commas between the events, then the bracket that closes the list."""
    opened: list[bytes] = []
    for token in _TOKENS.finditer(body, start):
        text = token.group()
        if text in _OPENING:
            opened.append(text)
        elif text in _CLOSING:
            if opened.pop() != _CLOSING[text]:
                return
            if not opened:
                yield token.start()
                return
        elif text == b"," and len(opened) == 1:
            yield token.start()
