"""One-click unsubscribe (RFC 8058): the one door without a key; its token is the key."""

import asyncio
from html import escape
from typing import Any

from fastapi import FastAPI, Path, Response
from fastapi.responses import HTMLResponse

from infra.consent.unsubscribing import Unsubscribing
from infra.door import RECEIVED, VERDICTS
from models.errors import Refused
from services.gateway.reception import Reception, as_json, problem, refused_whole

DOOR = "unsubscribe"
Token = Path(examples=["gAAAAABn…"])
NO_TOKEN: dict[int | str, dict[str, Any]] = {404: {"description": "no token of ours, or not all of it"}}
RECORDED: dict[int | str, dict[str, Any]] = {
    200: {"description": "said no, now or before",
          "content": {"application/json": {"example": {"unsubscribed": True, "recorded": True}}}},
    **NO_TOKEN,
    503: {"description": "the journal does not answer; come back after Retry-After seconds"},
}  # fmt: skip
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex"><title>Unsubscribe</title>
<main><h1>Unsubscribe</h1><p>{says}</p>{form}</main></html>"""
_FORM = '<form method="post"><button type="submit">Yes, no more messages</button></form>'


def install(app: FastAPI, reception: Reception) -> None:
    """Put the door on the gateway."""
    unsubscribing = Unsubscribing(reception.workspace)

    @app.get("/v1/unsubscribe/{token}", tags=["consent"], response_class=HTMLResponse, responses=NO_TOKEN)
    async def ask(token: str = Token) -> Response:
        """A page with one button: whatever looks at links in mails must not unsubscribe anybody."""
        try:
            channel, purpose = unsubscribing.read(token)
        except Refused:
            return HTMLResponse(_PAGE.format(says="This link is not complete, or is not ours.", form=""), 404)
        about = f"{purpose.replace('_', ' ')} messages" if purpose else "messages"
        says = escape(f"You will get no more {about} by {channel}.")
        return HTMLResponse(_PAGE.format(says=says, form=_FORM))

    @app.post("/v1/unsubscribe/{token}", tags=["consent"], responses=RECORDED)
    async def take(token: str = Token) -> Response:
        """The customer's no is recorded; saying it again changes nothing."""
        try:
            recorded = await asyncio.to_thread(unsubscribing.take, token)
        except Refused as error:
            refused_whole(DOOR)
            return problem(404, error.code, error.detail)
        RECEIVED.labels(DOOR).inc()
        VERDICTS.labels(DOOR, "accepted" if recorded else "duplicate").inc()
        return as_json(200, {"unsubscribed": True, "recorded": recorded})
