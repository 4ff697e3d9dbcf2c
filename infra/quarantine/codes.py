"""The codes under which something is quarantined or set aside: known in advance, so that figures begin at 0.

A figure that is born with its first count shows no increase, and no alert tells of it.
"""

READERS = ("projector", "policies", "sweep", "search")

DEFECTS = (
    "unrecordable", "failed", "hung",
    *(f"{reader}_{how}" for reader in READERS for how in ("failed", "hung")),
)  # fmt: skip
"""Healthy events that a mistake of ours holds: at a door, and in a reader."""

STRANGE = ("foreign", "not_as_recorded", "not_in_journal", "tombstone", "undecodable", "wrong_key")
"""What a reader finds on its topic, or in the journal, and can't read."""

SENT = (
    "birthday_invalid", "email_invalid", "event_missing", "event_too_large", "identifier_empty", "identifier_kind",
    "identity_missing", "invalid", "issuer_missing", "not_from_outside", "not_json", "not_utf8", "origin",
    "phone_in_name", "phone_invalid", "source_reserved", "stream_exists", "time_missing", "time_out_of_range",
    "too_deep", "unknown_type",
)  # fmt: skip
"""What a sender did wrong."""


def of_reader(reader: str) -> tuple[str, ...]:
    """What one reader may set aside."""
    return (f"{reader}_failed", f"{reader}_hung", *STRANGE)
