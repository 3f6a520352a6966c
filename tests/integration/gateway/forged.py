"""Requests that must not be served: forged tokens, foreign keys, foreign origins, by the thousand, over the wire.

``python -m tests.integration.gateway.forged URL WS_URL [10000]`` tries a running gateway whose secrets it does
not know.
"""

import asyncio
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

OTHER_SECRET: Final = "another-secret-another-secret-another"
PATHS: Final = ("/v1/hints", "/v1/customers/anna/next-hints?surface=desk", "/v1/customers/anna/next-hints")
EVENT: Final = {"type": "track", "event": "Transaction Started", "userId": "anna", "properties": {"journey": "loan"}}
CONCURRENTLY: Final = 32
SOCKETS_SHARE: Final = 20
"""One of so many is a websocket."""


class Forged(NamedTuple):
    """One request: what is wrong with it, and how it is made."""

    kind: str
    method: str
    path: str
    headers: dict[str, str]
    content: bytes | None = None


def forged_tokens(now_s: int) -> dict[str, str]:
    """Tokens that nobody issued, or not for this, or not any more, by what is wrong with them."""
    claims = {"sub": "desk-1", "role": "agent", "exp": now_s + 3_600}
    ours_alone = rsa.generate_private_key(65537, 2048)
    good = jwt.encode(claims, OTHER_SECRET)
    head, body, mac = good.split(".")
    return {
        "another secret": good,
        "no algorithm": jwt.encode(claims, "", "none"),
        "no signature": f"{head}.{body}.",
        "a changed body": f"{head}.{body[:-4]}AAAA.{mac}",
        "another algorithm": jwt.encode(claims, OTHER_SECRET * 2, "HS512"),
        "a key of its own": jwt.encode(claims, ours_alone, "RS256", {"kid": "k1"}),
        "a key set of its own": jwt.encode(claims, ours_alone, "RS256", {"jku": "http://evil.example/keys"}),
        "a key id of its own": jwt.encode(claims, OTHER_SECRET, headers={"kid": "../../dev/null"}),
        "no JSON": "a.b.c",
        "a dot": ".",
    }


def forged_requests(token: str | None = None) -> Iterator[Forged]:
    """For ever: each kind in turn. ``token``: a good one, for what is wrong beside it."""
    tokens = forged_tokens(round(time.time()))
    for number in itertools.count():
        for (kind, forged), path in itertools.product(tokens.items(), PATHS):
            yield Forged(kind, "GET", path, {"Authorization": f"Bearer {forged}"})
        yield Forged("no token", "GET", PATHS[number % 3], {})
        yield Forged("another scheme", "GET", PATHS[0], {"Authorization": "Basic ZGVzay0xOg=="})
        event = json.dumps({**EVENT, "writeKey": f"guess-{number}"}).encode()
        yield Forged("a key guessed", "POST", "/v1/track", {}, event)
        batch = json.dumps({"batch": [EVENT], "writeKey": "' or 1=1 --"}).encode()
        yield Forged("a key made up", "POST", "/v1/batch", {}, batch)
        yield Forged("no key", "POST", "/v1/track", {}, json.dumps(EVENT).encode())
        yield Forged("a token as key", "POST", "/v1/track", {"Authorization": f"Bearer {token or 'x'}"}, event)
        report = {"Authorization": f"Bearer {tokens['another secret']}"}
        yield Forged("a forged report", "POST", "/v1/hints/h1/states", report, b'{"state":"used"}')
        if token is not None:
            own = {"Authorization": f"Bearer {token}"}
            yield Forged("a foreign page", "GET", PATHS[0], {**own, "Origin": "https://evil.example"})
            yield Forged("a page without origin", "GET", PATHS[1], {**own, "Origin": "null"})


async def tried(http: str, ws: str, count: int, token: str | None = None) -> Counter[tuple[str, str]]:
    """What became of ``count`` requests, by kind and outcome; an outcome ``served`` must not be among them."""
    outcomes: Counter[tuple[str, str]] = Counter()
    sockets = count // SOCKETS_SHARE
    waiting = itertools.islice(forged_requests(token), count - sockets)
    async with httpx.AsyncClient(base_url=http, timeout=120) as client:

        async def ask() -> None:
            for each in waiting:
                answer = await client.request(each.method, each.path, headers=each.headers, content=each.content)
                refused = answer.status_code in {401, 403, 429}
                outcomes[each.kind, str(answer.status_code) if refused else "served"] += 1

        await asyncio.gather(*(ask() for _ in range(CONCURRENTLY)))
    tokens = itertools.islice(itertools.cycle(forged_tokens(round(time.time())).values()), sockets)
    for number, forged in enumerate(tokens):
        kind, outcome = await _socket(ws, forged, foreign=number % 4 == 0)
        outcomes[kind, outcome] += 1
    return outcomes


async def _socket(ws: str, token: str, *, foreign: bool) -> tuple[str, str]:
    origin = Origin("https://evil.example") if foreign else None
    protocol = Subprotocol("zhiyin.desk.v1")
    try:
        async with connect(ws, subprotocols=[protocol], origin=origin, compression=None) as socket:
            await socket.send(json.dumps({"type": "connection_init", "token": token}))
            await socket.send(json.dumps({"type": "subscribe", "id": "1", "channel": "desk"}))
            frames: list[Any] = [frame async for frame in socket]
            return "a socket", "served" if frames else str(socket.close_code)
    except InvalidStatus as error:
        return "a foreign socket", str(error.response.status_code)
    except Exception as error:  # noqa: BLE001 - a connection closed with a code raises
        return "a socket", str(getattr(getattr(error, "rcvd", None), "code", type(error).__name__))


def main() -> None:
    """Tries a gateway, prints a table; exit code 1 when anything was served."""
    http, ws, *rest = sys.argv[1:]
    began_s = time.perf_counter()
    outcomes = asyncio.run(tried(http, ws, int(rest[0]) if rest else 10_000))
    for (kind, outcome), number in sorted(outcomes.items()):
        sys.stdout.write(f"{number:6}  {outcome:7}  {kind}\n")
    served = sum(number for (_, outcome), number in outcomes.items() if outcome == "served")
    took_s = time.perf_counter() - began_s
    sys.stdout.write(f"{outcomes.total()} forged or foreign requests in {took_s:.1f} s: {served} served\n")
    raise SystemExit(int(served > 0))


if __name__ == "__main__":
    main()
