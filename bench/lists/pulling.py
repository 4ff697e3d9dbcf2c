"""One pull over HTTP as its caller sees it: when the first byte came, when the last."""

import time
from dataclasses import dataclass

import httpx

from bench.ground import KEY
from infra.target_list.files import MEDIA_TYPES

FORMATS = tuple(MEDIA_TYPES)
WAIT_SECONDS = 300.0


@dataclass(frozen=True)
class Pulled:
    """What one pull took: seconds from the request to the first byte of the body, and to the last."""

    format: str
    addresses: bool
    first: float
    total: float
    megabytes: float


def pull(port: int, list_id: str, format: str, *, addresses: bool, limit: int | None = None) -> Pulled:
    """Pull a list, or its first `limit` members. RuntimeError where the answer is not 200."""
    asked: dict[str, str | int] = {"format": format, "addresses": str(addresses).lower()}
    if limit is not None:
        asked["limit"] = limit
    began, first, size = time.perf_counter(), 0.0, 0
    with httpx.stream(
        "GET", f"http://127.0.0.1:{port}/v1/lists/{list_id}/members", params=asked,
        headers={"X-API-Key": KEY}, timeout=WAIT_SECONDS,
    ) as answer:  # fmt: skip
        if answer.status_code != 200:
            raise RuntimeError(f"the pull was answered {answer.status_code}")
        for part in answer.iter_raw():
            first = first or time.perf_counter() - began
            size += len(part)
    return Pulled(format, addresses, first, time.perf_counter() - began, size / 1e6)
