"""What a list would be: the same steps as building one, and nothing is published."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from events.target_list import TargetListPublished
from infra.target_list.building import decide, moment_of
from infra.target_list.candidates import gather
from infra.target_list.terms import Terms
from infra.workspace import Workspace
from models.domain.target_list import ListRow
from models.domain.worth import expected

SAMPLE = 20


class Estimate(Struct, frozen=True, kw_only=True):
    """A list that was not published. Money is in its currency, and expected: of the members alone.

    `pays` is how many may be contacted and are expected to earn something: there the last row stops paying, whatever
    capacity and budget say. `sample` are members at even distances of rank, the first one included.
    """

    would_be: TargetListPublished
    rules: dict[str, int]
    profit: Decimal
    spend: Decimal
    pays: int
    currency: str
    sample: tuple[ListRow, ...]


def estimate(
    workspace: Workspace, terms: Terms, as_of: datetime | None = None, artifact: str | None = None,
    seed: str | None = None,
) -> Estimate:  # fmt: skip
    """What building now, or as of a past moment, would give under these terms.

    Raises `Refused` (`list.as_of_ahead`, `list.nobody`, `list.no_scores`), `Unavailable`.
    """
    moment = moment_of(as_of, workspace.clock.now())
    gathered = gather(workspace, terms, moment, artifact=artifact)
    published, lines = decide(moment, gathered, seed)
    rows = [row for row, _ in lines]
    members = [row for row in rows if row.part == "member"]
    rules = Counter(row.rule for row in rows if row.rule)
    return Estimate(
        would_be=published, rules=dict(sorted(rules.items())), currency=gathered.terms.currency,
        profit=sum((row.profit for row in members if row.profit is not None), Decimal(0)),
        spend=sum((_spend(row, gathered.terms) for row in members), Decimal(0)),
        pays=sum(row.profit is not None and row.profit > 0 for row in rows), sample=_spread(members),
    )  # fmt: skip


def _spend(row: ListRow, terms: Terms) -> Decimal:
    if row.probability is None or row.value is None or row.channel is None:
        return Decimal(0)
    rules = terms.rules.for_value(row.value)
    return expected(terms.purpose, row.probability, row.value, rules, rules.cost_of(row.channel), row.effect)[
        1
    ]


def _spread(members: Sequence[ListRow]) -> tuple[ListRow, ...]:
    if len(members) <= SAMPLE:
        return tuple(members)
    return tuple(members[place * len(members) // SAMPLE] for place in range(SAMPLE))
