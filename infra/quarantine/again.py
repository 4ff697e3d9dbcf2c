"""Giving an event that a reader set aside back to it, after a fix."""

from collections.abc import Callable

import structlog

from events.envelope import Envelope
from infra.database import unavailable
from infra.logs import described
from infra.policy_runner import PolicyRunner
from infra.projector import Moved, Projector
from infra.quarantine import aside
from infra.quarantine.aside import POLICIES, PROJECTOR, SEARCH, SWEEP
from infra.search.index import SearchIndex
from infra.workspace import Workspace
from models.errors import Unavailable
from models.policies.catalogue import POLICIES as ALL_POLICIES
from models.projections.catalogue import projections
from models.tables.journal import journal

log = structlog.get_logger()
TRIES = 20


def give_back(workspace: Workspace, reader: str, event_id: str) -> bool:
    """Have the reader take the event as if it had never been late; False where it still cannot.

    Views are folded anew, policies react now, a clock is settled by the next sweep. Raises `Unavailable`.
    """
    try:
        found = workspace.journal.read(journal.c.event_id == event_id)
        for event in found:
            _TAKE[reader](workspace, event)
    except Unavailable:
        raise
    except Exception as error:  # the handler is as broken as before, or in another way
        log.warning("still not taken", reader=reader, event_id=event_id, **described(error))
        return False
    return bool(found)


def _fold(workspace: Workspace, event: Envelope) -> None:
    views = projections(workspace.rules, workspace.settings.zone)
    projector = Projector(workspace.engine, views, "replay")
    for attempt in range(TRIES):
        try:
            with unavailable(), workspace.engine.begin() as connection:
                projector.take_back(connection, event)
            return
        except Moved:
            if attempt == TRIES - 1:
                raise Unavailable("identities keep moving under the fold") from None


def _react(workspace: Workspace, event: Envelope) -> None:
    policies = [policy() for policy in ALL_POLICIES]
    PolicyRunner(workspace.engine, workspace.log, policies, workspace.rules).consider(event)
    with unavailable(), workspace.engine.begin() as connection:
        aside.take_back(connection, POLICIES, event.event_id)


def _let_sweep(workspace: Workspace, event: Envelope) -> None:
    with unavailable(), workspace.engine.begin() as connection:
        aside.take_back(connection, SWEEP, event.event_id)


def _index(workspace: Workspace, event: Envelope) -> None:
    with unavailable(), workspace.engine.begin() as connection:
        SearchIndex(workspace.engine, workspace.vault, workspace.matcher).write(connection, [event])
        aside.take_back(connection, SEARCH, event.event_id)


_TAKE: dict[str, Callable[[Workspace, Envelope], None]] = {
    PROJECTOR: _fold, POLICIES: _react, SWEEP: _let_sweep, SEARCH: _index,
}  # fmt: skip
