"""One request to a receiver: to checked addresses alone, no redirect followed, an answer in time or none."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpcore

from infra.webhooks.addresses import NotAllowed, resolve_aside

SECONDS = 10.0
"""For all of it: the name, the connection, the request, the answer."""
ANSWER_BYTES = 64 * 1024
"""What an answer may have for its connection to be used again; nothing in it is kept."""
KEPT_SECONDS = 5.0
GONE = 410


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said; status 0: nothing. `says` is the status, or in words why there is none."""

    status: int
    says: str
    retry_after: str = ""

    @property
    def taken(self) -> bool:
        """Does it have the event now?"""
        return 200 <= self.status < 300


class Post:
    """Sends requests, many at once. Belongs to one event loop; `close` when done."""

    def __init__(self, allowed: frozenset[str]) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            network_backend=_Checked(allowed), max_connections=None, max_keepalive_connections=200,
            keepalive_expiry=KEPT_SECONDS,
        )  # fmt: skip

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One POST; whatever goes wrong is an answer too."""
        try:
            async with asyncio.timeout(SECONDS):
                return await self._send(url, headers, body)
        except TimeoutError:
            return Answer(0, f"no answer within {SECONDS:.0f} seconds")
        except NotAllowed as error:
            return Answer(0, str(error))
        except (httpcore.NetworkError, httpcore.TimeoutException):
            return Answer(0, "no connection, or it was cut")
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol):
            return Answer(0, "its answer is not HTTP")

    async def _send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        async with self._pool.stream("POST", url, headers=list(headers.items()), content=body) as answer:
            status = answer.status
            found = {name.lower(): value for name, value in answer.headers}
            size = 0
            async for part in answer.aiter_stream():
                size += len(part)
                if size > ANSWER_BYTES:
                    break
        return Answer(status, str(status), found.get(b"retry-after", b"").decode("latin-1"))

    async def close(self) -> None:
        """Let go of all connections."""
        await self._pool.aclose()


class _Checked(httpcore.AsyncNetworkBackend):
    """Connects to the very addresses that were looked at: a name may say something else the next moment."""

    def __init__(self, allowed: frozenset[str]) -> None:
        self._allowed, self._inner = allowed, httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to the first of its addresses that takes one."""
        addresses = await resolve_aside(host, port, self._allowed)
        for address in addresses[:-1]:
            try:
                return await self._inner.connect_tcp(
                    address, port, SECONDS / 4, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._inner.connect_tcp(addresses[-1], port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        """As the library asks."""
        await self._inner.sleep(seconds)
