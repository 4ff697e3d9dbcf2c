"""The one place that makes ids: time-ordered where they are keys, derived where a repeat must agree."""

import uuid

import uuid_utils

NAMESPACE = uuid.UUID("6f1c8a52-6d0e-5d43-9a58-70c8c9b0f0aa")


def new_id() -> str:
    """A fresh, time-ordered id (UUID version 7)."""
    return str(uuid_utils.uuid7())


def derived_id(*parts: str) -> str:
    """The id that the same parts always give (UUID version 5)."""
    return str(uuid.uuid5(NAMESPACE, "\x1f".join(parts)))
