"""Who may do what in Redis: the user for chatbots, who reads hints and hot questions and can do nothing else.

In: a password. Out: the rules of the user, and an ACL file for a Redis that serves Zhiyin and this user. Refused:
nothing. The password itself is nowhere in the file, only its SHA-256, as Redis takes it.
"""

import hashlib
from typing import Final

from state.redis import keys

CHATBOT_USER: Final = "chatbot"
CHATBOT_RULES: Final = (
    "resetchannels",
    f"~{keys.CHATBOT_HINT.of('*')}",
    f"~{keys.HOT.of('*')}",
    "-@all",
    "+get",
    "+mget",
    "+pttl",
    "+ping",
)
"""Reading by key, and knowing that the connection lives: no search, no listing, nothing to write."""

EVERYTHING: Final = "user default on nopass ~* &* +@all"
"""Our own processes, who reach an embedded Redis on this machine alone."""


def acl_file(password: str) -> str:
    """The text of an ACL file with our own user and the chatbots'."""
    digest = hashlib.sha256(password.encode()).hexdigest()
    return f"{EVERYTHING}\nuser {CHATBOT_USER} on #{digest} {' '.join(CHATBOT_RULES)}\n"
