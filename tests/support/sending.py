"""Items as senders write them, and a door to send them through."""

from datetime import datetime
from typing import Any

import msgspec

from infra.door import Answer
from infra.workspace import Workspace


def phone(value: str = "+1 415 555 2671") -> dict[str, str]:
    """A phone number as somebody typed it."""
    return {"kind": "phone", "value": value}


def email(value: str = "ann@example.com") -> dict[str, str]:
    """A mail address."""
    return {"kind": "email", "value": value}


def account(value: str = "1", issuer: str = "shop") -> dict[str, str]:
    """An account number of one issuer."""
    return {"kind": "account", "value": value, "issuer": issuer}


def item(
    source_id: str, *identifiers: dict[str, str], type: str = "touch.recorded", at: datetime | None = None,
    source: str = "test", origin: str = "live", **data: Any,
) -> dict[str, Any]:  # fmt: skip
    """One event as a sender writes it."""
    found: dict[str, Any] = {
        "type": type, "source": source, "source_id": source_id, "origin": origin,
        "identifiers": list(identifiers), "data": data,
    }  # fmt: skip
    if at is not None:
        found["occurred_at"] = at.isoformat()
    return found


def purchase(
    source_id: str, *identifiers: dict[str, str], at: datetime, amount: str = "10", origin: str = "import",
    **data: Any,
) -> dict[str, Any]:  # fmt: skip
    """A purchase out of a company's history."""
    more = {"amount": amount, "currency": "USD", **data}
    return item(source_id, *identifiers, type="purchase.recorded", at=at, origin=origin, **more)


def send(workspace: Workspace, *items: dict[str, Any], door: str = "test") -> list[Answer]:
    """Through the one path that every door uses."""
    return workspace.door(door).receive([msgspec.json.encode(one) for one in items])
