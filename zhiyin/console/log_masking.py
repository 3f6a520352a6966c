"""The last line before a log is written: no secret, no token, no customer's id gets past it.

In: a line as it would be written, traceback and all. Out: the same line with ``(secret)``, ``(token)`` and masks of
customers in their place. Refused: nothing. The first line are those who log: none of ours names a customer; this is for
what libraries and errors quote: paths, Redis keys, documents.
"""

import logging
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote, urlsplit

from config import Settings
from config.settings.mask_key import mask_key
from operators.support.masking import masked

SHORTEST_SECRET: Final = 6
"""A shorter one would blot out ordinary words."""
HIDDEN: Final = "(secret)"
HIDDEN_JWT: Final = "(token)"
_JWT: Final = re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_PATH: Final = re.compile(r"(/v1/customers/)(.+?)(?=/[a-z-]+(?:[?\s'\"]|$)|[?\s'\"]|$)", re.MULTILINE)
_KEY: Final = re.compile(r"(zy:(?:hint|open|documents|bundle|customer|calls):)([^\s'\",)\]]+)")
_FIELD: Final = re.compile(
    r"((?:customer_id|customer|subject|partitionkey|userId|user_id|anonymousId|anonymous_id)\\?[\"']?\s*[:=]\s*\\?[\"'])"
    r"([^\"'\\]+)"
)


class MaskingFormatter(logging.Formatter):
    """A formatter whose lines have been looked through. ``secrets``: texts that must never be written."""

    def __init__(self, line: str, time: str, secrets: Sequence[str] = (), key: bytes = b"") -> None:
        super().__init__(line, time)
        long_enough = sorted({secret for secret in secrets if len(secret) >= SHORTEST_SECRET}, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, long_enough))) if long_enough else None
        self._key = key

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        return self.scrubbed(super().format(record))

    def scrubbed(self, text: str) -> str:
        """``text`` fit to be kept."""
        if self._secrets is not None:
            text = self._secrets.sub(HIDDEN, text)
        text = _JWT.sub(HIDDEN_JWT, text)
        for pattern in (_PATH, _KEY, _FIELD):
            text = pattern.sub(self._masked, text)
        return text

    def _masked(self, match: re.Match[str]) -> str:
        return f"{match[1]}{masked(unquote(match[2]), self._key)}"


def secrets_of(settings: Settings) -> list[str]:
    """Every secret the settings hold, each as it could stand in a line."""
    options = [option.partition("=")[2] for option in settings.kafka_options if "password" in option.partition("=")[0]]
    scopes = [line.partition(";")[0] for line in settings.write_key_scopes]
    password = urlsplit(settings.redis_url or "").password or ""
    return [
        settings.token_secret,
        settings.mask_key,
        *settings.write_keys,
        *scopes,
        password,
        unquote(password),
        *options,
    ]


def formatter_for(settings: Settings, line: str, time: str) -> MaskingFormatter:
    """The formatter of a process with these settings."""
    return MaskingFormatter(line, time, secrets_of(settings), mask_key(settings))
