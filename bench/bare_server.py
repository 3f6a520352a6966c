"""``python -m bench.bare_server REDIS_URL PORT``: the least that ``websockets`` can do for desks, to compare with.

In: desks that say a token (its text is the desk's name, nothing is checked) and subscribe; a stream of events with
their desks. Out: each event on its desk's socket, awaited by the one reader. No queues, no recovery, no pings: this is
not a gateway, it is what one costs more than nothing.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any

from redis import asyncio as redis_asyncio
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from bench.teller import STREAM
from gateway.push.frames import next_frame, next_head


class Bare:
    """Connections by desk."""

    def __init__(self) -> None:
        self._connections: dict[str, ServerConnection] = {}
        self._offset = 0

    async def talk(self, connection: ServerConnection) -> None:
        """One desk, until it ends."""
        try:
            name = json.loads(await connection.recv())["token"]
            await connection.send('{"type":"connection_ack"}')
            await connection.recv()
            self._connections[name] = connection
            await connection.send('{"type":"subscribed","id":"1","epoch":"e","offset":0,"recovered":false}')
            async for _ in connection:
                pass
        except ConnectionClosed:
            return

    async def read_on(self, url: str) -> None:
        """Every event to its desk."""
        head = next_head("1")
        last: Any = "0-0"
        async with redis_asyncio.Redis.from_url(url, socket_timeout=5.0, protocol=2) as client:
            while True:
                found: Any = await client.xread({STREAM: last}, count=500, block=1_000)
                entries = found[0][1] if found else ()
                last = entries[-1][0] if entries else last
                for _, fields in entries:
                    connection = self._connections.get(fields[b"d"].decode())
                    if connection is not None:
                        self._offset += 1
                        await self._send(connection, next_frame(head, self._offset, fields[b"e"]))

    async def _send(self, connection: ServerConnection, frame: bytes) -> None:
        try:
            await connection.send(frame, text=True)
        except ConnectionClosed:
            return


async def main(words: Sequence[str]) -> None:
    """See the module."""
    url, port = words
    bare = Bare()
    protocols = [Subprotocol("zhiyin.desk.v1")]
    async with serve(
        bare.talk, "127.0.0.1", int(port), subprotocols=protocols, compression=None, ping_interval=None, backlog=2_048
    ):
        sys.stdout.write("bare: ready\n")
        sys.stdout.flush()
        await bare.read_on(url)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
