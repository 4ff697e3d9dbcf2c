"""May something be offered on an occasion, and what does putting it to the customer cost?"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from events.vocabulary import Channel, Purpose
from infra.contact.contacts import Contacts
from infra.database import unavailable
from infra.standing import suppressed_among
from infra.workspace import Workspace
from models.domain.offering import speaks_against_offering
from models.domain.permission import Permitted, permission
from models.domain.rules import CONTACT_COST, ListRules, Rules
from models.errors import Refused
from models.projections.customer_360_row import Customer360Row
from models.projections.reachability import reachable

OWN_CONTACT = "own_contact"
"""What allows an offer in a contact that the customer began."""
SPOKEN = frozenset({"voice", "ivr"})


class Occasion(Struct, frozen=True, kw_only=True):
    """When and how an offer is put to a customer. `key` names an occasion without a contact; empty: the day does."""

    channel: Channel
    purpose: Purpose
    contact_id: str | None = None
    agent: str | None = None
    key: str = ""


def is_own(workspace: Workspace, customer: str, occasion: Occasion) -> bool:
    """Is it a contact that the customer began, on this channel?

    Refused: `contact.unknown`, `offer.contact_of_another`.
    """
    if occasion.contact_id is None:
        return False
    found = Contacts(workspace).find(occasion.contact_id)
    if found.customer != customer:
        raise Refused("offer.contact_of_another", "this contact is not this customer's", "contact_id")
    channels = {found.contact.channel, occasion.channel}
    same = len(channels) == 1 or found.contact.channel == "unknown" or channels <= SPOKEN
    return found.contact.direction == "inbound" and same


def allowed_to(
    workspace: Workspace, row: Customer360Row, occasion: Occasion, now: datetime, *, own: bool
) -> Permitted | str:
    """What allows an offer, or the rule of the contact policy that says no. `own`: the customer began the contact."""
    with unavailable(), workspace.engine.connect() as connection:
        suppressed = suppressed_among(connection, row.identifiers, now)
    stands = reachable(row, suppressed=suppressed)
    if own:
        against = speaks_against_offering(stands, occasion.channel, occasion.purpose)
        return against or Permitted(occasion.channel, OWN_CONTACT)
    rules = workspace.rules
    terms = _lists(rules).get(occasion.purpose)
    return permission(
        stands, occasion.purpose, (occasion.channel,), terms.legal_basis if terms else {}, rules.reach
    )


def contact_cost(rules: Rules, occasion: Occasion) -> Decimal:
    """What putting an offer to a customer costs where we begin the contact."""
    terms = _lists(rules).get(occasion.purpose)
    return terms.cost_of(occasion.channel) if terms else CONTACT_COST.get(occasion.channel, Decimal(0))


def _lists(rules: Rules) -> Mapping[Purpose, ListRules]:
    """The purposes for which a company's rules say on what basis customers are contacted, and what that costs."""
    return {"retention": rules.retention, "win_back": rules.win_back}
