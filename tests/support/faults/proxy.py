"""A bad network: TCP between our processes and a server, that delays, drops, cuts, goes half-open or dribbles.

It listens on the loopback only. Modes are set from any thread and hold for new and for open connections.
"""

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Literal

Mode = Literal["pass", "delay", "drop", "cut", "half-open", "one-byte"]
MODES: tuple[Mode, ...] = ("delay", "drop", "cut", "half-open", "one-byte")
CHUNK = 64 * 1024
Target = int | Path
"""A port of this machine, or a Unix socket."""


class Connection:
    """A client, the server behind it, and whether the network has lost anything between them."""

    def __init__(self, client: asyncio.StreamWriter) -> None:
        self.client = client
        self.server: asyncio.StreamWriter | None = None
        self.holed = False
        """Bytes of it are lost: TCP would not go on behind the hole."""
        self.dead = False
        """Half-open: both ends believe in it, nothing will ever go through."""

    def cut(self) -> None:
        """End it the hard way, so that the client sees a reset."""
        for writer in (self.client, self.server):
            if writer is None or writer.transport.is_closing():
                continue
            raw = writer.get_extra_info("socket")
            if raw.family != socket.AF_UNIX:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Link:
    """One port in front of one server."""

    def __init__(self, target: Target, chance: random.Random) -> None:
        self._target, self._chance = target, chance
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.mode: Mode = "pass"
        self.port = 0

    async def open(self) -> None:
        """Begin to listen, on the same port as before if there was one."""
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Listen no longer and end what is open."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.cut()

    async def turn(self, mode: Mode) -> None:
        """From now on the network is like this. What lost bytes under the old mode can only be reset."""
        self.mode = mode
        for connection in list(self._connections):
            if mode == "half-open":
                connection.dead = True
            elif mode == "cut" or connection.holed:
                connection.cut()

    async def aim(self, target: Target) -> None:
        """The server is elsewhere now."""
        self._target = target

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(writer)
        connection.dead = self.mode == "half-open"
        self._connections.add(connection)
        try:
            await self._serve(connection, reader)
        except OSError:
            pass  # either end is gone, or was never there
        finally:
            self._connections.discard(connection)
            connection.cut()

    async def _serve(self, connection: Connection, reader: asyncio.StreamReader) -> None:
        if connection.dead:
            await _swallow(reader)
            return
        if self.mode == "cut":
            await asyncio.sleep(self._chance.uniform(0, 0.5))
            return
        if isinstance(self._target, Path):
            back, connection.server = await asyncio.open_unix_connection(str(self._target))
        else:
            back, connection.server = await asyncio.open_connection("127.0.0.1", self._target)
        ways = [
            asyncio.ensure_future(self._pump(connection, reader, connection.server)),
            asyncio.ensure_future(self._pump(connection, back, connection.client)),
        ]
        _, still = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        if connection.dead:  # the end that is left does not hear of the other's
            await asyncio.wait(still)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)

    async def _pump(
        self, connection: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(CHUNK):
            if connection.dead:
                await _swallow(reader)
                return
            await self._carry(connection, data, writer)

    async def _carry(self, connection: Connection, data: bytes, writer: asyncio.StreamWriter) -> None:
        match self.mode:
            case "drop":
                connection.holed = True
                return
            case "delay":
                await asyncio.sleep(self._chance.uniform(0.02, 0.2))
            case "one-byte":
                data = await self._dribble(data, writer)
        if not (connection.dead or connection.holed):
            writer.write(data)
            await writer.drain()

    async def _dribble(self, data: bytes, writer: asyncio.StreamWriter) -> bytes:
        """Byte by byte, each a packet of its own, for as long as the mode holds; what is left of the data."""
        for at in range(len(data)):
            if self.mode != "one-byte":
                return data[at:]
            writer.write(data[at : at + 1])
            await writer.drain()
            await asyncio.sleep(0)
        return b""


class Network:
    """Links, run by a thread of their own."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)
        self._thread.start()
        self._links: list[Link] = []

    def link(self, target: Target) -> Link:
        """A new link to a server; it passes everything on."""
        link = Link(target, self._chance)
        self._do(link.open())
        self._links.append(link)
        return link

    def turn(self, link: Link, mode: Mode) -> None:
        """Change a link's mode; it holds when this returns."""
        self._do(link.turn(mode))

    def aim(self, link: Link, target: Target) -> None:
        """Let a link lead elsewhere."""
        self._do(link.aim(target))

    def close(self) -> None:
        """End all links and the thread."""
        for link in self._links:
            self._do(link.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


async def _swallow(reader: asyncio.StreamReader) -> None:
    while await reader.read(CHUNK):
        pass
