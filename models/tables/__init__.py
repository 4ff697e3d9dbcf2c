"""The tables of a workspace (SQLAlchemy Core, one MetaData) and, apart, those of the vault."""

from models.tables import generations, identity, journal, lists, quarantine, readers, set_aside, views
from models.tables.base import vault_metadata, workspace_metadata

__all__ = [
    "generations", "identity", "journal", "lists", "quarantine", "readers", "set_aside", "vault_metadata", "views",
    "workspace_metadata",
]  # fmt: skip
