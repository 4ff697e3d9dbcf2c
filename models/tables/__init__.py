"""The tables of a workspace (SQLAlchemy Core, one MetaData) and, apart, those of the vault."""

from models.tables import (
    audit,
    customer_state,
    erasure,
    generations,
    identity,
    journal,
    lists,
    quarantine,
    raw_body,
    readers,
    search,
    set_aside,
    views,
    webhook,
)
from models.tables.base import vault_metadata, workspace_metadata

__all__ = [
    "audit", "customer_state", "erasure", "generations", "identity", "journal", "lists", "quarantine", "raw_body",
    "readers", "search", "set_aside", "vault_metadata", "views", "webhook", "workspace_metadata",
]  # fmt: skip
