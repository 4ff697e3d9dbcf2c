"""Two lists beside each other: who came in, who went out, and which rule said so on either side."""

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal

from msgspec import Struct

from models.domain.target_list import ListRow

NO_CANDIDATE = "no_candidate"
"""The rule for whoever is not on that side at all: unknown then, or in no stage that the list is about."""
MEMBER = "member"


class Moved(Struct, frozen=True, kw_only=True):
    """A customer who is a member on at least one side, with the whole row of either side that has one.

    `was` and `now` are the rule on the older and the newer side: `member`, why they were left out there, or
    `no_candidate`. What made the rule answer otherwise is in the rows: the probability, value, profit and reasons.
    """

    customer: str
    was: str
    now: str
    before: ListRow | None = None
    after: ListRow | None = None


class Diff(Struct, frozen=True, kw_only=True):
    """What changed from an older list to a newer one.

        members_before = stayed + left + merged_before
        members_after  = stayed + entered + merged_after

    `merged` are members who are one customer with a better placed member of the same side, as we know since.
    `entered` is in the newer list's order, `left` in the older one's, `stayed` in the newer one's. Profits are the
    members' expected ones, as each list was told them; None where the lists are in different currencies.
    """

    entered: tuple[Moved, ...]
    left: tuple[Moved, ...]
    stayed: tuple[Moved, ...]
    members_before: int
    members_after: int
    merged_before: int
    merged_after: int
    profit_before: Decimal | None
    profit_after: Decimal | None

    def entered_from(self) -> dict[str, int]:
        """How many came in by the rule that kept them out before."""
        return _counted(one.was for one in self.entered)

    def left_by(self) -> dict[str, int]:
        """How many went out by the rule that keeps them out now."""
        return _counted(one.now for one in self.left)


def diff(
    before: Iterable[ListRow], after: Iterable[ListRow], survivors: Mapping[str, str] | None = None
) -> Diff:
    """Compare two lists, each given with all its rows, in their order, those left out included.

    `survivors` says which customer an id is one with by now; ids it does not name are customers. Of several rows
    that are one customer the first counts, as lists put members first.
    """
    known = survivors or {}
    older, newer = _Side(before, known), _Side(after, known)
    entered = [_moved(one, older, newer) for one in newer.members if one not in older.members]
    stayed = [_moved(one, older, newer) for one in newer.members if one in older.members]
    left = [_moved(one, older, newer) for one in older.members if one not in newer.members]
    comparable = len(older.currencies | newer.currencies) <= 1
    return Diff(
        entered=tuple(entered), left=tuple(left), stayed=tuple(stayed), members_before=older.counted,
        members_after=newer.counted, merged_before=older.counted - len(older.members),
        merged_after=newer.counted - len(newer.members), profit_before=older.profit if comparable else None,
        profit_after=newer.profit if comparable else None,
    )  # fmt: skip


def settings_changed(
    before: Mapping[str, str], after: Mapping[str, str]
) -> dict[str, tuple[str | None, str | None]]:
    """The settings in which two definitions differ, with both values; None where a side has none."""
    names = sorted(before.keys() | after.keys())
    return {n: (before.get(n), after.get(n)) for n in names if before.get(n) != after.get(n)}


class _Side:
    """One list's rows by customer, and what its members come to."""

    def __init__(self, rows: Iterable[ListRow], survivors: Mapping[str, str]) -> None:
        self.rows: dict[str, ListRow] = {}
        self.members: dict[str, ListRow] = {}
        self.currencies: set[str] = set()
        self.counted, self.profit = 0, Decimal(0)
        for row in rows:
            customer = survivors.get(row.customer, row.customer)
            if row.part == "member":
                self.counted += 1
                self.profit += row.profit or Decimal(0)
                self.currencies.add(row.currency)
                self.members.setdefault(customer, row)
                self.rows[customer] = self.members[customer]
            else:
                self.rows.setdefault(customer, row)

    def rule(self, customer: str) -> str:
        row = self.rows.get(customer)
        if row is None:
            return NO_CANDIDATE
        return MEMBER if row.part == "member" else row.rule


def _moved(customer: str, older: _Side, newer: _Side) -> Moved:
    return Moved(
        customer=customer, was=older.rule(customer), now=newer.rule(customer), before=older.rows.get(customer),
        after=newer.rows.get(customer),
    )  # fmt: skip


def _counted(rules: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(rules).items()))
