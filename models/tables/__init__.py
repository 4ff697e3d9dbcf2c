"""The tables of a workspace (SQLAlchemy Core, one MetaData) and, apart, those of the vault."""

from models.tables import identity, journal, lists, quarantine, readers, views
from models.tables.base import vault_metadata, workspace_metadata

__all__ = [
    "identity", "journal", "lists", "quarantine", "readers", "vault_metadata", "views", "workspace_metadata",
]  # fmt: skip
