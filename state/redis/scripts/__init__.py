"""The Lua scripts, each one atomic change in Redis, and how they are called.

In: calls, each a script with its keys and arguments. Out: their answers, each a list, in one round trip.
Refused: nothing; a Redis that does not know a script is given it.
Every key a script touches is passed to it in ``KEYS``; scripts use only what Redis 6.2 knows.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from redis.exceptions import NoScriptError

from state.redis.connections import AsyncClient, Client

FOLDER: Final = Path(__file__).parent


class Script(msgspec.Struct, frozen=True):
    """One script: its text and the name Redis knows it by (SHA-1 of the text)."""

    text: str
    sha: str


class Call(msgspec.Struct, frozen=True):
    """One call of a script. ``arguments`` go as they are: text in UTF-8, numbers as decimal text."""

    script: Script
    keys: tuple[str, ...]
    arguments: tuple[str | bytes | int, ...] = ()


def _script(*names: str) -> Script:
    text = "\n".join((FOLDER / f"{name}.lua").read_text("utf-8") for name in names)
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


PLACE_HINT: Final = _script("channel/channel", "hints/customer", "hints/place")
SPEAK: Final = _script("channel/channel", "hints/speak")
CHANGE_STATE: Final = _script("channel/channel", "hints/customer", "hints/change_state")
DELIVER: Final = _script("hints/deliver")
DROP_EXPIRED: Final = _script("hints/customer", "hints/drop_expired")
POSITION: Final = _script("channel/channel", "channel/position")
APPEND: Final = _script("streams/append")
TAKEN: Final = _script("streams/taken")
WRITE_ONCE: Final = _script("streams/write_once")
REDRIVE: Final = _script("streams/redrive")
REROUTE: Final = _script("channel/channel", "hints/reroute")
BUNDLE: Final = _script("channel/channel", "contacts/bundle")
BUNDLE_CHANGE: Final = _script("channel/channel", "contacts/bundle_change")
BUNDLE_END: Final = _script("channel/channel", "contacts/bundle_end")
NOTE_VIEWS: Final = _script("streams/note")
BEAT: Final = _script("contacts/beat")
OUTREACH_LIST: Final = _script("outreach/outreach", "outreach/list")
OUTREACH_END: Final = _script("outreach/outreach", "outreach/end")
OUTREACH_CLAIM: Final = _script("outreach/outreach", "outreach/claim")
OUTREACH_RELEASE: Final = _script("outreach/outreach", "outreach/release")
OUTREACH_OUTCOME: Final = _script("outreach/outreach", "outreach/outcome")


def run(client: Client, calls: Sequence[Call]) -> list[list[Any]]:
    """The answers of ``calls``, carried out in their order. Raises what Redis answers (``redis.RedisError``).

    The first call of each script brings its text: to send again what Redis turned out not to know would carry it out
    after what followed it.
    """
    loaded: set[str] = set()
    with client.pipeline(transaction=False) as pipeline:
        for call in calls:
            parameters = (*call.keys, *call.arguments)
            if call.script.sha in loaded:
                pipeline.evalsha(call.script.sha, len(call.keys), *parameters)
            else:
                pipeline.eval(call.script.text, len(call.keys), *parameters)
                loaded.add(call.script.sha)
        answers: list[Any] = pipeline.execute(raise_on_error=False)
    return _without_errors(answers)


async def run_async(client: AsyncClient, call: Call) -> list[Any]:
    """The answer of one call. Raises what Redis answers (``redis.RedisError``)."""
    try:
        answer: list[Any] = await client.evalsha(call.script.sha, len(call.keys), *call.keys, *call.arguments)
    except NoScriptError:
        answer = await client.eval(call.script.text, len(call.keys), *call.keys, *call.arguments)
    return answer


def _without_errors(answers: list[Any]) -> list[Any]:
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers
