"""Alembic's steps: one chain for the workspace, one for the vault."""
