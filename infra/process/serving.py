"""Running an HTTP application until stopped: what is under way is finished first."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
import uvloop

from infra.process.collector import keep_what_is_loaded
from infra.process.heart import Heart

GRACE_SECONDS = 8

App = Callable[..., Awaitable[Any]]


def serve(app: App, host: str, port: int, heart: Heart) -> None:
    """Serve until told to stop: SIGTERM and SIGINT end it. TLS and the outside world end in front of it."""
    config = uvicorn.Config(
        app, host=host, port=port, log_config=None, access_log=False, http="httptools",
        timeout_graceful_shutdown=GRACE_SECONDS,
    )  # fmt: skip

    keep_what_is_loaded()

    async def run() -> None:
        beating = asyncio.create_task(heart.beat_for_ever())
        await uvicorn.Server(config).serve()
        beating.cancel()

    uvloop.run(run())
