r"""Checks on the bytes of JSON before it is read: UTF-8, lone surrogates, depth.

In: raw bytes. Out: None, or the ``Rejection`` that names the byte where it goes wrong.
A JSON decoder skips what nobody asked for without looking at its text; others downstream
may look, so a byte that is not UTF-8, or half a character (``\ud83d``), stops here.
"""

import re
from typing import Final

from operators.records.events import Rejection

DEPTH: Final = 64
"""Levels of objects and lists in one event."""

_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_PAIR_ESCAPE_OR_LONE: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\[^u]|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})", re.DOTALL
)
_BRACKETS: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|([\[{])|[\]}]', re.DOTALL)
_KEYS: Final = re.compile(rb'"([A-Za-z_][A-Za-z0-9_.]{0,60})"\s*:')


def wrong_text(raw: bytes) -> Rejection | None:
    """Bytes that are not UTF-8, or an escape that is half a character."""
    if not raw.isascii():
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError as error:
            found = f"byte 0x{raw[error.start]:02x} at byte {error.start}{_near(raw, error.start)}"
            return Rejection("not_utf8", "$", found, f"UTF-8 ({error.reason})")
    return _lone_surrogate(raw) if _SURROGATE.search(raw) else None


def too_deep(raw: bytes) -> Rejection | None:
    """More than ``DEPTH`` levels, counted without reading the JSON."""
    if raw.count(b"{") + raw.count(b"[") <= DEPTH:
        return None
    depth = 0
    for token in _BRACKETS.finditer(raw):
        if token.group(1):
            depth += 1
            if depth > DEPTH:
                return Rejection("too_deep", "$", f"level {depth} at byte {token.start()}", f"at most {DEPTH} levels")
        elif not token.group().startswith(b'"'):
            depth -= 1
    return None


def _lone_surrogate(raw: bytes) -> Rejection | None:
    for token in _PAIR_ESCAPE_OR_LONE.finditer(raw):
        if token.group(1):
            found = f"{token.group(1).decode()} alone at byte {token.start()}{_near(raw, token.start())}"
            return Rejection("lone_surrogate", "$", found, "both halves of the character, or U+FFFD")
    return None


def _near(raw: bytes, at: int) -> str:
    """The field it stands in, as far as the bytes before it tell."""
    keys = _KEYS.findall(raw, max(0, at - 400), at)
    return f", after {keys[-1].decode('utf-8', 'replace')}" if keys else ""
