"""A load generator, as a process of its own: `python -m bench.load HOST PORT REQUESTS CONNECTIONS`.

It reads whole HTTP requests, as bytes, from a file (a msgpack array), and then steps from its input, one
JSON object a line; for each it prints one with what it measured. Requests are used in order, each once,
or over again where a step says so. Connections are kept alive, and each has one request at a time.
"""

import asyncio
import sys
import time
from collections import deque
from pathlib import Path
from typing import cast

import httptools
import msgspec
import uvloop
from msgspec import Struct

from bench.figures import keeps_up, latencies, percentile

QUEUE_SECONDS = 0.05
"""The delay from which on we say that a queue grows."""
PATIENCE = 20.0
"""After this many seconds without the last answer a step is over, and failed."""


class Step(Struct, frozen=True):
    """What to send: so many requests, at a constant rate a second, or (rate 0) as fast as they are answered."""

    count: int
    rate: float = 0.0
    again: bool = False


class Told(Struct, frozen=True):
    """What came of a step. Times are seconds from the moment a request should have been sent.

    `refusal` is the status of the last answer that was not 200; 0 where all were.
    """

    started: float
    seconds: float
    answered: int
    good: int
    refusal: int
    per_second: float
    keeps_up: bool
    p50: float
    p95: float
    p99: float
    most: float


class Connection(asyncio.Protocol):
    """One connection: sends a request, counts the answer, asks for the next."""

    def __init__(self, run: "Run") -> None:
        self._run, self._number = run, -1
        self._transport: asyncio.WriteTransport
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's word for open."""
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is none of asyncio's own class

    def data_received(self, data: bytes) -> None:
        """asyncio's word for bytes."""
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """httptools' word for a whole answer."""
        status = self._parser.get_status_code()
        self._parser = httptools.HttpResponseParser(self)
        self._run.answered(self, self._number, status)

    def send(self, number: int, request: bytes) -> None:
        """Send one request; it must be idle."""
        self._number = number
        self._transport.write(request)

    def close(self) -> None:
        """Close it."""
        self._transport.close()


class Run:
    """One step: intended times, those waiting for a connection, answers."""

    def __init__(self, requests: list[bytes], rate: float) -> None:
        self._requests, self._rate = requests, rate
        self._loop = asyncio.get_running_loop()
        self.idle: deque[Connection] = deque()
        self._waiting: deque[int] = deque()
        self._finished = [0.0] * len(requests)
        self._next = self._answered = self._good = self._refusal = 0
        self._done = self._loop.create_future()
        self._started = 0.0

    async def go(self) -> Told:
        """Send everything and wait for the last answer."""
        self._started = time.monotonic()
        self._due() if self._rate else self._flood()
        try:
            async with asyncio.timeout(len(self._requests) / (self._rate or 1_000) + PATIENCE):
                await self._done
        except TimeoutError:
            pass
        return self._told(time.monotonic() - self._started)

    def _due(self) -> None:
        """Send what is due by now; those that find no idle connection wait, and their clock runs."""
        upto = min(len(self._requests), int((time.monotonic() - self._started) * self._rate) + 1)
        while self._next < upto:
            self._waiting.append(self._next)
            self._next += 1
        self._hand_out()
        if self._next < len(self._requests):
            at = self._started + self._next / self._rate
            self._loop.call_later(max(0.0, at - time.monotonic()), self._due)

    def _flood(self) -> None:
        self._waiting.extend(range(len(self._requests)))
        self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting and self.idle:
            number = self._waiting.popleft()
            self.idle.popleft().send(number, self._requests[number])

    def answered(self, connection: Connection, number: int, status: int) -> None:
        """Called by a connection with its answer."""
        self._finished[number] = time.monotonic()
        self._answered += 1
        self._good += status == 200
        self._refusal = self._refusal if status == 200 else status
        self.idle.append(connection)
        self._hand_out()
        if self._answered == len(self._requests) and not self._done.done():
            self._done.set_result(None)

    def _told(self, seconds: float) -> Told:
        complete = self._answered == len(self._requests)
        delays = latencies(self._rate, self._started, self._finished) if self._rate and complete else [0.0]
        good = complete and self._good == self._answered
        return Told(
            started=self._started, seconds=seconds, answered=self._answered, good=self._good, refusal=self._refusal,
            per_second=self._answered / seconds,
            keeps_up=good and keeps_up(delays, QUEUE_SECONDS),
            p50=percentile(delays, 0.5), p95=percentile(delays, 0.95), p99=percentile(delays, 0.99),
            most=max(delays),
        )  # fmt: skip


async def serve(host: str, port: int, requests: list[bytes], connections: int) -> None:
    """Take steps from the input until it ends."""
    loop = asyncio.get_running_loop()
    at = 0
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        step = msgspec.json.decode(line, type=Step)
        if at + step.count > len(requests):
            if not step.again:
                raise SystemExit(f"{len(requests)} requests were prepared, and all are used")
            at = 0
        run = Run(requests[at : at + step.count], step.rate)
        at += step.count
        opened = [
            (await loop.create_connection(lambda run=run: Connection(run), host, port))[1]  # type: ignore[misc]
            for _ in range(connections)
        ]
        run.idle.extend(opened)
        told = await run.go()
        for one in opened:
            one.close()
        print(msgspec.json.encode(told).decode(), flush=True)


def main() -> None:
    """Read the requests, then serve."""
    host, port, path, connections = sys.argv[1:]
    requests = msgspec.msgpack.decode(Path(path).read_bytes(), type=list[bytes])
    uvloop.run(serve(host, int(port), requests, int(connections)))


if __name__ == "__main__":
    main()
