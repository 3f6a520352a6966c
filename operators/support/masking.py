"""A customer's id, masked: the same mask for the same customer, and no way back without the key.

In: an id and a secret key. Out: ``c-`` and 16 hex digits. Refused: nothing. It is a keyed hash (BLAKE2b, 64 bits): who
has no key can't try all telephone numbers until one fits.
"""

import hashlib
from typing import Final

PREFIX: Final = "c-"
_BYTES: Final = 8
_PERSON: Final = b"zhiyin-mask"


def masked(customer_id: str, key: bytes) -> str:
    """The mask of one customer; ``key``: of any length."""
    short_key = hashlib.blake2b(key, digest_size=32).digest()
    digest = hashlib.blake2b(
        customer_id.encode("utf-8", "surrogatepass"), digest_size=_BYTES, key=short_key, person=_PERSON
    ).hexdigest()
    return f"{PREFIX}{digest}"
