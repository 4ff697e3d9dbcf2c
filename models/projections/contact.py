"""Every contact of a customer: one row a conversation, with its legs."""

from collections.abc import Mapping

from events.envelope import Envelope
from models.domain.contact_part import FOLDED, contact_of
from models.domain.conversation import Conversation, fold
from models.projections.projection import Projection


class Contacts(Projection[Conversation]):
    """One row a contact, told from its parts in whatever order they came."""

    name, generation, row = "contact", 1, Conversation
    matches = frozenset(FOLDED)

    def key(self, envelope: Envelope, owner: str) -> str:
        """One row a contact of an owner: two people may take part in one, each with their own parts."""
        return f"{owner}/{contact_of(envelope) or envelope.event_id}"

    def apply(self, row: Conversation | None, envelope: Envelope, owner: str) -> Conversation | None:
        """The contact with one more part."""
        return fold(row, envelope) if contact_of(envelope) else row

    def columns(self, row: Conversation) -> Mapping[str, object]:
        """Found by when it began."""
        return {"started_at": row.started_at}
