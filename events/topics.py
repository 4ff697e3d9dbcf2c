"""Where events are published: one ordered topic with everything, a copy per family, and where customers stand."""

from events import registry

PARTITIONS = 12
"""Fixed at creation: a key must stay on its partition for ever."""


def events_topic(prefix: str) -> str:
    """The one topic that carries every event, in order within a key."""
    return f"{prefix}.events"


def intake_topic(prefix: str) -> str:
    """The topic on which other systems hand events in; kept 24 hours."""
    return f"{prefix}.intake"


def state_topic(prefix: str) -> str:
    """The compacted topic with one document for each customer: where they stand now."""
    return f"{prefix}.customer-state"


def family_topic(prefix: str, family: str) -> str:
    """The subscribers' copy for one family of types."""
    return f"{prefix}.{family}"


def family_topics(prefix: str) -> list[str]:
    """Every family's topic."""
    return sorted({family_topic(prefix, entry.family) for entry in registry.all_types()})
