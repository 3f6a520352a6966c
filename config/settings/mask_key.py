"""The secret that customers are masked with, in logs and in the audit trail.

In: settings. Out: bytes. Refused: nothing; without any secret everybody's masks are alike, and good for nothing.
"""

from config.settings.table import Settings


def mask_key(settings: Settings) -> bytes:
    """``mask_key``, else ``token_secret``, else the first write key."""
    return (settings.mask_key or settings.token_secret or "".join(settings.write_keys[:1]) or "zhiyin").encode()
