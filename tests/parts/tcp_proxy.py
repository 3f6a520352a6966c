"""A TCP proxy between a client and a server of ours that makes the network bad: slow, silent, cut off.

In: the server's port. Out: a port of its own to connect to. Refused: nothing; while the server is away, connections
are closed at once.
"""

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final, Self

CHUNK_BYTES: Final = 65_536
HOST: Final = "127.0.0.1"


class TcpProxy:
    """Listens inside its ``with``. ``delay_s``: of each piece of an answer.

    ``lost``: answers that were thrown away with their connection, after the server had done what was asked.
    """

    def __init__(self, server_port: int) -> None:
        self.port = 0
        self.delay_s = 0.0
        self.lost = 0
        self._to_lose = 0
        self._server_port = server_port
        self._writers: set[asyncio.StreamWriter] = set()
        self._speaks = asyncio.Event()
        self._speaks.set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")

    def __enter__(self) -> Self:
        self._thread.start()
        self._wait(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._wait(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """End every connection now."""
        self._wait(self._cut())

    def silence(self) -> None:
        """From now on no answer comes; what is asked still arrives."""
        self._loop.call_soon_threadsafe(self._speaks.clear)

    def speak(self) -> None:
        """Answers come again, those of the silence first."""
        self._loop.call_soon_threadsafe(self._speaks.set)

    def lose(self, answers: int) -> None:
        """Throw away the next ``answers``, each with its connection."""
        self._to_lose = answers

    def _wait(self, doing: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(doing, self._loop).result(120)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._carry, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        await self._cut()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _carry(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self._writers.add(to_client)
        try:
            from_server, to_server = await asyncio.open_connection(HOST, self._server_port)
        except OSError:
            to_client.transport.abort()
            self._writers.discard(to_client)
            return
        self._writers.add(to_server)
        asking = asyncio.create_task(self._pump(from_client, to_server))
        await self._answer(from_server, to_client)
        asking.cancel()
        for writer in (to_client, to_server):
            writer.transport.abort()
            self._writers.discard(writer)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                writer.write(chunk)
                await writer.drain()
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                if self._to_lose > 0:
                    self._to_lose -= 1
                    self.lost += 1
                    return
                await asyncio.sleep(self.delay_s)
                await self._speaks.wait()
                writer.write(chunk)
                await writer.drain()
