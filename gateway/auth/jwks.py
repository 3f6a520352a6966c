"""The public keys of an identity provider: a JSON Web Key Set, from a file or a URL, looked at again and again.

In: where the set is. Out: RSA keys by ``kid``. Refused: a set that cannot be fetched or read (``KeySetUnusable``:
at the start an error, later a line in the log, and the keys known before stay good for a day); keys that are not
RSA, are shorter than 2,048 bits, or are not for signing (passed over). A ``kid`` nobody knows makes it look again at
once, at most every ten seconds: so a key that was changed is known before the next token of the same client comes.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from gateway.runtime.background_task import BackgroundTask, CountFailure, uncounted

REFRESH_S: Final = 300.0
AT_ONCE_S: Final = 10.0
KEPT_S: Final = 86_400.0
TIMEOUT_S: Final = 5.0
SET_BYTES: Final = 256 * 1024
KEY_BITS: Final = 2048

log = logging.getLogger("zhiyin.key_set")


class KeySetUnusable(Exception):
    """The key set cannot be had. ``source``: where it should be; ``reason``: why not."""

    def __init__(self, source: str, reason: str) -> None:
        self.source = source
        self.reason = reason
        super().__init__(
            f"token keys at {source}: {reason}, expected a JSON Web Key Set with an RSA key of {KEY_BITS} bits or "
            "more: see that it is there, or set ZHIYIN_TOKEN_KEYS to where it is"
        )


class KeySet:
    """The keys at ``source``. ``clock_s``: seconds that never go back; ``failed``: counts unexpected failures."""

    def __init__(self, source: str, clock_s: Callable[[], float], failed: CountFailure = uncounted) -> None:
        self._source = source
        self._clock_s = clock_s
        self._keys: dict[str | None, RSAPublicKey] = {}
        self._looked_s = clock_s()
        self._known_s = clock_s()
        self._wanted = asyncio.Event()
        self._looking = BackgroundTask("token_keys", 0.0, self._look_again, failed)

    async def start(self) -> None:
        """Read the set, and go on looking. Raises KeySetUnusable."""
        await self.look()
        self._looking.start()

    async def stop(self) -> None:
        """Look no more."""
        await self._looking.stop()

    def public_key(self, key_id: str | None) -> RSAPublicKey | None:
        """The key of this ``kid`` (None: the only one there is); None: there is no such key."""
        found = self._keys.get(key_id)
        if key_id is None and len(self._keys) == 1:
            found = next(iter(self._keys.values()))
        if found is None:
            self._wanted.set()
        return found

    async def look(self) -> None:
        """Read the set now. Raises KeySetUnusable; the keys known before stay."""
        self._looked_s = self._clock_s()
        keys = usable_keys(self._source, await self._text())
        if set(keys) != set(self._keys):
            log.info("token keys: %d from %s", len(keys), self._source)
        self._keys = keys
        self._known_s = self._looked_s

    async def _look_again(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(REFRESH_S):
                await self._wanted.wait()
        await asyncio.sleep(max(0.0, self._looked_s + AT_ONCE_S - self._clock_s()))
        self._wanted.clear()
        try:
            await self.look()
        except Exception as error:
            self._keep_or_drop(error)
            if not isinstance(error, KeySetUnusable):
                raise

    def _keep_or_drop(self, error: Exception) -> None:
        age_s = self._clock_s() - self._known_s
        if age_s > KEPT_S:
            self._keys = {}
        log.warning("%s; the keys of %.0f s ago %s", error, age_s, "stay good" if self._keys else "are good no more")

    async def _text(self) -> str:
        import httpx  # only who is given a set of keys waits for it at the start

        try:
            if self._source.startswith(("http://", "https://")):
                return await _fetched(self._source)
            return await asyncio.to_thread(Path(self._source).read_text, "utf-8")
        except (OSError, ValueError, httpx.HTTPError) as error:
            raise KeySetUnusable(self._source, f"{type(error).__name__} {error}".strip()) from error


async def _fetched(url: str) -> str:
    """The body at ``url``; no redirect is followed: who we believe was set by hand."""
    import httpx

    async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
        answer = await client.get(url)
    answer.raise_for_status()
    if len(answer.content) > SET_BYTES:
        raise ValueError(f"found {len(answer.content)} bytes, expected at most {SET_BYTES}")
    return answer.text


def usable_keys(source: str, text: str) -> dict[str | None, RSAPublicKey]:
    """The RSA keys for signing, by ``kid``. Raises KeySetUnusable when there is none."""
    try:
        keys = jwt.PyJWKSet.from_json(text).keys
        usable = {each.key_id: each.key for each in keys if _is_usable(each)}
    except (jwt.PyJWTError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise KeySetUnusable(source, f"not a key set ({error})") from error
    if not usable:
        raise KeySetUnusable(source, f"found {len(keys)} keys, none of them usable")
    return usable


def _is_usable(each: jwt.PyJWK) -> bool:
    long_enough = isinstance(each.key, RSAPublicKey) and each.key.key_size >= KEY_BITS
    return long_enough and each.algorithm_name == "RS256" and each.public_key_use in (None, "sig")
