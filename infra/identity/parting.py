"""After an identifier was blocked by its limit: whatever it alone held together is parted, soon after."""

from sqlalchemy import select, update

from events.envelope import IdentifierRef
from infra.database import unavailable
from infra.identity.desk import IdentityDesk
from infra.ids import new_id
from infra.workspace import Workspace
from models.domain.identity_decision import Block
from models.ports import By
from models.tables.identity import identifier

RULE = "rule:identity"
MOST = 100


class Parting:
    """Looks at identifiers that were blocked. Raises `Unavailable`, `Conflict`; the next turn goes on."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace, self._desk = workspace, IdentityDesk(workspace)

    def turn(self) -> int:
        """Part what hangs together by nothing else; how many identifiers were looked at."""
        query = select(identifier).where(identifier.c.blocked, ~identifier.c.parted).limit(MOST)
        with unavailable(), self._workspace.engine.connect() as connection:
            rows = connection.execute(query).all()
        for row in rows:
            ref = IdentifierRef(kind=row.kind, issuer=row.issuer, hash=row.hash)
            command = Block(customer=str(row.customer), identifier=ref, why="shared_by_many", new_id=new_id)
            by = By(source="identity", source_id=f"parted:{':'.join(ref.key)}", actor=RULE)
            self._desk.give(command, by)
            same = (
                identifier.c.kind == row.kind,
                identifier.c.issuer == row.issuer,
                identifier.c.hash == row.hash,
            )
            with unavailable(), self._workspace.engine.begin() as connection:
                connection.execute(update(identifier).where(*same).values(parted=True))
        return len(rows)
