"""Batches to the gateway over HTTP. (source, source id) deduplicates there, so that sending again is safe."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Literal
from urllib.parse import urlsplit

import httpx
import msgspec

MOST_ITEMS, MOST_BYTES = 2_500, 4_500_000
"""A batch's limits, a little below the gateway's in bytes."""
UNREACHED_SECONDS, BUSY_SECONDS = 120.0, 600.0
"""How long a gateway may be out of reach, or busy, before we give up."""
LONGEST_PAUSE = 60.0
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}

Notice = Callable[[str], None]
Opener = Callable[[str], httpx.Client]


class GatewayProblem(RuntimeError):
    """The gateway took no more; the sentence says what to do. What it acknowledged is kept."""


class Verdict(msgspec.Struct, frozen=True):
    """What became of one item."""

    index: int
    verdict: Literal["accepted", "duplicate", "refused", "quarantined"]
    customer: str | None = None
    code: str | None = None
    path: str | None = None
    detail: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """The gateway's account of one batch: received is the sum of the four."""

    received: int
    accepted: int
    duplicates: int
    refused: int
    quarantined: int
    results: tuple[Verdict, ...] = ()


_answer = msgspec.json.Decoder(Answer)


def open_client(url: str) -> httpx.Client:
    """A client that keeps its connections; one on this machine is never asked for through a proxy."""
    near = (urlsplit(url).hostname or "") in _LOOPBACK
    return httpx.Client(timeout=httpx.Timeout(60.0, connect=5.0), trust_env=not near)


class Sender:
    """Sends batches and does not come back without an answer, or a `GatewayProblem`."""

    def __init__(self, url: str, key: str, client: httpx.Client, notice: Notice | None = None) -> None:
        self._url = f"{url.rstrip('/')}/v1/facts"
        self._headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        self._client, self._notice = client, notice or (lambda sentence: None)
        self._stopped = threading.Event()
        self._problem = GatewayProblem(f"interrupted; {_AGAIN}")

    def stop(self) -> None:
        """End every waiting: the import was interrupted."""
        self._stopped.set()

    def send(self, items: Sequence[bytes]) -> Answer:
        """One batch, retried until it is answered; split where it is too large for the gateway.

        A problem with one batch ends the waiting of the others too, which then tell the same.
        """
        try:
            return self._send(items)
        except GatewayProblem as problem:
            if not self._stopped.is_set():
                self._problem = problem
                self.stop()
            raise

    def _send(self, items: Sequence[bytes]) -> Answer:
        response = self._post(b"[" + b",".join(items) + b"]")
        if response.status_code == 413:
            return self._halves(items)
        if response.status_code != 200:
            raise GatewayProblem(_sentence(response.status_code))
        try:
            answer = _answer.decode(response.content)
        except msgspec.MsgspecError:
            raise GatewayProblem(
                "the answer is not that of a Touchstone gateway; is --gateway right?"
            ) from None
        verdicts = answer.accepted + answer.duplicates + answer.refused + answer.quarantined
        if not answer.received == verdicts == len(items):
            raise GatewayProblem(f"of {len(items)} items the gateway accounted for {verdicts} only")
        return answer

    def _halves(self, items: Sequence[bytes]) -> Answer:
        if len(items) == 1:
            detail = "the gateway takes no item of this size"
            return Answer(1, 0, 0, 1, 0, (Verdict(0, "refused", code="too_large", path="$", detail=detail),))
        middle = len(items) // 2
        first, second = self._send(items[:middle]), self._send(items[middle:])
        shifted = (msgspec.structs.replace(one, index=one.index + middle) for one in second.results)
        return Answer(
            first.received + second.received, first.accepted + second.accepted,
            first.duplicates + second.duplicates, first.refused + second.refused,
            first.quarantined + second.quarantined, (*first.results, *shifted),
        )  # fmt: skip

    def _post(self, body: bytes) -> httpx.Response:
        """The first answer that is more than "later"."""
        began, pause = time.monotonic(), 0.25
        while True:
            response = self._once(body)
            status = response.status_code if response is not None else 0
            if response is not None and status not in (429, 500, 502, 503, 504):
                return response
            busy = status in (429, 503)
            if time.monotonic() - began > (BUSY_SECONDS if busy else UNREACHED_SECONDS):
                raise GatewayProblem(_sentence(status))
            asked = _retry_after(response)
            wait = min(asked if asked is not None else pause, LONGEST_PAUSE)
            self._notice(f"{_STATE.get(status, 'the gateway failed')}; trying again in {wait:.1f} s")
            if self._stopped.wait(wait):
                raise self._problem
            pause = min(pause * 2, 10.0)

    def _once(self, body: bytes) -> httpx.Response | None:
        try:
            return self._client.post(self._url, content=body, headers=self._headers)
        except (httpx.UnsupportedProtocol, httpx.InvalidURL):
            raise GatewayProblem("the gateway's address is no URL; one is http://127.0.0.1:8471") from None
        except httpx.TransportError:
            return None


_STATE = {0: "the gateway can't be reached", 429: "the gateway asks for less", 503: "the gateway is busy"}
_AGAIN = "run the same import again, it goes on where it stopped"


def _sentence(status: int) -> str:
    match status:
        case 0:
            return f"the gateway can't be reached; is it up (touchstone status)? Then {_AGAIN}"
        case 401 | 403:
            return "the gateway does not know this key; give one of the workspace's keys with --key"
        case 404 | 405:
            return "there is no /v1/facts at this address; is --gateway right?"
        case 429 | 503:
            return f"the gateway was busy for ten minutes; {_AGAIN}"
        case _:
            return f"the gateway answered {status}; see its log, then {_AGAIN}"


def _retry_after(response: httpx.Response | None) -> float | None:
    text = response.headers.get("retry-after", "") if response is not None else ""
    try:
        return max(0.0, float(text))
    except ValueError:
        return None
