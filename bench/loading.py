"""Driving the load generator: requests written beforehand, steps told, answers read."""

import socket
from collections.abc import Sequence

import msgspec
import psutil

from bench.ground import KEY, Ground
from bench.load import Step, Told
from bench.processes import Child

GROWTH = 1.25
"""From one step of a search to the next."""


def post(path: str, body: bytes) -> bytes:
    """A whole HTTP request that sends a body."""
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nX-API-Key: {KEY}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def get(path: str) -> bytes:
    """A whole HTTP request that asks."""
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\nX-API-Key: {KEY}\r\n\r\n".encode()


class Load:
    """A running load generator; used with `with`."""

    def __init__(
        self, ground: Ground, port: int, requests: Sequence[bytes], *, connections: int,
        on: Sequence[int] | None = None, again: bool = False,
    ) -> None:  # fmt: skip
        path = ground.folder / f"requests-{port}-{len(list(ground.folder.iterdir()))}"
        path.write_bytes(msgspec.msgpack.encode(list(requests)))
        self._path, self._again = path, again
        arguments = ["-m", "bench.load", "127.0.0.1", str(port), str(path), str(connections)]
        self.child = Child("load", arguments, {}, ground.folder / "load.log", on, talks=True)

    def __enter__(self) -> "Load":
        return self

    def __exit__(self, *_: object) -> None:
        self.child.stop()
        self._path.unlink()

    @property
    def process(self) -> psutil.Process:
        """The generator's process, to be watched."""
        return psutil.Process(self.child.process.pid)

    def at(self, rate: float, seconds: float) -> Told:
        """A constant arrival of requests for so long."""
        return self._step(Step(max(1, round(rate * seconds)), rate, self._again))

    def flat_out(self, count: int) -> Told:
        """So many requests, each connection sending the next as soon as it has its answer."""
        return self._step(Step(count, 0.0, self._again))

    def highest(self, seconds: float, begin: float) -> float:
        """The highest constant rate that is kept up for so long, to within some 5 %, found by steps."""
        good, bad = 0.0, 0.0
        rate = begin
        while not bad or not good or bad / good > 1.06:
            if (
                self.at(rate, seconds).keeps_up or self.at(rate, seconds).keeps_up
            ):  # one slow moment is forgiven
                good = rate
                rate = rate * GROWTH if not bad else (good + bad) / 2
            else:
                bad = rate
                rate = (good + bad) / 2 if good else rate / GROWTH
        return good

    def _step(self, step: Step) -> Told:
        return msgspec.json.decode(self.child.ask(msgspec.json.encode(step).decode()), type=Told)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
