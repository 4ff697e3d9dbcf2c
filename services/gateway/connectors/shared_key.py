"""Senders that sign nothing: they show a key that they share with us."""

import hmac
from datetime import datetime

from infra.security import key_of
from services.gateway.connectors.connector import Call, Instance, Refusal

FIREHOSE = "x-amz-firehose-access-key"


def verify(call: Call, raw: bytes, instance: Instance, now: datetime) -> Refusal | None:
    """The key is in `Authorization: Bearer`, `X-API-Key`, or where Amazon's Firehose has it."""
    return check(key_of(call.headers) or call.headers.get(FIREHOSE, ""), instance)


def check(given: str, instance: Instance) -> Refusal | None:
    """Is this the instance's key? Takes as long for a wrong one as for a nearly right one."""
    if not given:
        return Refusal(401, "key_missing", "send the instance's key: Authorization: Bearer KEY")
    if not hmac.compare_digest(given.encode(), instance.secrets["key"].encode()):
        return Refusal(403, "key_wrong", "this is not the instance's key: look at its secret `key`")
    return None
