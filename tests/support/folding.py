"""Bringing the views up to the journal's head, the way a worker does."""

import asyncio
from typing import Any

from infra.attempts import Attempts
from infra.feeds import JournalFeed
from infra.policy_runner import PolicyRunner
from infra.process.heart import Heart
from infra.projector import Projector
from infra.quarantine.aside import SWEEP, Aside
from infra.sweeper import Sweeper
from infra.view_store import ViewStore
from infra.workspace import Workspace
from models.policies.catalogue import POLICIES
from models.ports import Log
from models.projections.catalogue import projections


def fold(workspace: Workspace, holder: str = "test") -> None:
    """Fold everything recorded so far."""
    projector = Projector(workspace.engine, projections(workspace.rules), holder)
    asyncio.run(_drain(workspace, projector.claim, projector.fold))


def react(workspace: Workspace) -> None:
    """Let the policies see everything recorded so far. Their first call decides where they begin."""
    policies = [policy() for policy in POLICIES]
    runner = PolicyRunner(workspace.engine, workspace.log, policies, workspace.rules)
    runner.begin()
    asyncio.run(_drain(workspace, runner.claim, runner.react, live_only=True))


def sweeper(workspace: Workspace, log: Log | None = None) -> Sweeper:
    """A sweep of this workspace, as a worker would run it."""
    aside = Aside(workspace.engine, workspace.quarantine, workspace.clock, SWEEP)
    attempts = Attempts(workspace.settings.var / "sweep.attempts")
    return Sweeper(workspace.engine, log or workspace.log, workspace.rules, Heart(), attempts, aside)


async def _drain(workspace: Workspace, claim: Any, act: Any, *, live_only: bool = False) -> None:
    head = workspace.journal.head()
    source = JournalFeed(workspace.engine, live_only=live_only)
    begin = claim(0, "journal")
    if begin >= head:
        return
    async for batches in source.batches(claim):
        act(batches)
        if batches[-1].next_offset >= head:
            return


def rows(workspace: Workspace, name: str) -> dict[str, Any]:
    """A view's rows by key."""
    view = next(one for one in projections(workspace.rules) if one.name == name)
    store = ViewStore(view)
    with workspace.engine.connect() as connection:
        found = connection.execute(store.table.select()).all()
    return {row.key: store.decode(row.state) for row in found}
