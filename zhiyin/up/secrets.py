"""The secrets of an embedded set-up, made once and kept beside its data.

In: settings. Out: settings with a write key and a token secret, made where there were
none and kept in ``<state_dir>/secrets.json``, readable by its owner alone.
Refused: a secrets file that is no such file (``CommandFailure``).
"""

import os
import secrets
from pathlib import Path
from typing import Final

import msgspec

from config import Settings
from zhiyin.console.errors import CommandFailure

FILE: Final = "secrets.json"
_BYTES: Final = 32


class Secrets(msgspec.Struct, frozen=True):
    """What is kept: the key senders of events show, the secret that signs tokens (32 characters or more)."""

    write_key: str
    token_secret: str


def with_secrets(settings: Settings) -> Settings:
    """``settings`` with a write key and a token secret; what was set stays."""
    if settings.write_keys and settings.token_secret:
        return settings
    kept = kept_secrets(Path(settings.state_dir)) or _made(Path(settings.state_dir))
    return msgspec.structs.replace(
        settings,
        write_keys=settings.write_keys or (kept.write_key,),
        token_secret=settings.token_secret or kept.token_secret,
    )


def kept_secrets(state_dir: Path) -> Secrets | None:
    """The secrets kept in ``state_dir``; None when there are none yet. Raises CommandFailure."""
    path = state_dir / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Secrets)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise CommandFailure(
            f"{path}: found {error}, expected the secrets 'zhiyin up' wrote there; delete the file to get new ones"
        ) from error


def _made(state_dir: Path) -> Secrets:
    made = Secrets(secrets.token_urlsafe(_BYTES), secrets.token_urlsafe(_BYTES))
    state_dir.mkdir(parents=True, exist_ok=True)
    unfinished = state_dir / f"{FILE}.{os.getpid()}"
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(made))
    unfinished.replace(state_dir / FILE)
    return made
