"""The composition root: everything one process of a workspace needs, from its settings."""

from dataclasses import dataclass

from sqlalchemy import Engine

from infra.clock import Clock, SystemClock
from infra.database import engine_for
from infra.door import Door
from infra.intake import Intake
from infra.journal.journal import Journal
from infra.journal.recording import Recorder
from infra.matching import Matcher
from infra.quarantine.store import Quarantine
from infra.settings import Settings
from infra.vault import Vault
from models.domain.rules import NEVER, Rules, load_rules


@dataclass(frozen=True)
class Workspace:
    """One company's open databases, keys and rules."""

    settings: Settings
    rules: Rules
    clock: Clock
    engine: Engine
    vault_engine: Engine
    matcher: Matcher
    vault: Vault
    journal: Journal
    intake: Intake
    quarantine: Quarantine

    @property
    def log(self) -> Recorder:
        """The journal as deciders see it."""
        return Recorder(self.journal, self.intake, self.vault, self.matcher)

    def door(self, name: str) -> Door:
        """A way in, counted under its name."""
        return Door(name, self.engine, self.journal, self.intake, self.quarantine, self.clock)

    def close(self) -> None:
        """Let go of threads and connections."""
        self.journal.close()
        self.engine.dispose()
        self.vault_engine.dispose()


def open_workspace(settings: Settings, clock: Clock | None = None) -> Workspace:
    """Open a workspace. Nothing is asked of the databases yet."""
    if not settings.database_url:
        raise ValueError("DATABASE_URL is not set: point it at PostgreSQL, or let `touchstone up` start one")
    if not settings.vault_url:
        raise ValueError("VAULT_URL is not set: the vault is a database of its own, kept on other backups")
    clock = clock or SystemClock()
    engine, vault_engine = (
        engine_for(settings.database_url),
        engine_for(settings.vault_url),
    )
    rules = load_rules(settings.workspace)
    matcher, vault = Matcher(settings.matching), Vault(vault_engine, settings.master)
    return Workspace(
        settings=settings, rules=rules, clock=clock, engine=engine,
        vault_engine=vault_engine, matcher=matcher, vault=vault, journal=Journal(engine, clock),
        intake=Intake(matcher, vault, region=settings.region, never=(*NEVER, *rules.never_identify)),
        quarantine=Quarantine(engine, vault, matcher),
    )  # fmt: skip
