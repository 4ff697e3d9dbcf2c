"""The secrets of a webhook, and what they sign."""

import base64
import secrets as chance
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from standardwebhooks import Webhook

BYTES = 32
BOTH_SIGN = timedelta(hours=24)
"""So long a secret signs on after there is a new one."""
MOST = 5
"""Secrets at once."""


class Secret(msgspec.Struct, frozen=True):
    """A secret as its receiver knows it; `until` is when it stops, None for the newest."""

    value: str
    until: datetime | None = None

    def __repr__(self) -> str:
        return f"Secret(***, until={self.until})"


def new_secret() -> Secret:
    """A fresh one."""
    return Secret("whsec_" + base64.b64encode(chance.token_bytes(BYTES)).decode())


def current(held: Sequence[Secret], now: datetime) -> list[Secret]:
    """Those that sign at a moment, the newest first."""
    return [one for one in held if one.until is None or one.until > now]


def rotated(held: Sequence[Secret], fresh: Secret, now: datetime) -> list[Secret]:
    """With a new one: those before it sign on for a day; none that is about to stop lives longer for that."""
    end = now + BOTH_SIGN
    return [fresh, *(Secret(one.value, one.until or end) for one in current(held, now))]


def signed(held: Sequence[Secret], event_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """The three headers of Standard Webhooks: a signature by each secret, the time that of this attempt."""
    text = body.decode()
    signatures = [Webhook(one.value).sign(event_id, now, text) for one in current(held, now)]
    return {
        "webhook-id": event_id, "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }  # fmt: skip


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(list[Secret]).decode
