"""A target list: candidates and rules in, frozen rows out, each with the rule that put it where it is.

candidates = members + holdout + suppressed + beyond, always.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal, get_args

import msgspec
from msgspec import Struct

from events.vocabulary import Channel, Stage
from models.domain.calling_window import Place, Times, Window, next_window, times_for
from models.domain.permission import Permitted, Reachable, permission
from models.domain.profit import cuts
from models.domain.rules import ListRules
from models.domain.worth import ListPurpose, expected

Part = Literal["member", "holdout", "beyond", "suppressed"]
EVERYONE: tuple[Part, ...] = get_args(Part)
STAGES: Mapping[ListPurpose, frozenset[Stage]] = {
    "retention": frozenset({"acquired", "developing", "retained", "at_risk", "regained"}),
    "win_back": frozenset({"lost"}),
    "care": frozenset({"acquired", "developing", "retained", "at_risk", "regained"}),
}
"""Whom a purpose is about: customers who are active, or customers who were."""

FORMULA = "3"
"""Goes up when value, profit or the draw is computed in another way: the same settings then mean
another list."""

_encode = msgspec.json.Encoder().encode


class Candidate(Struct, frozen=True, kw_only=True):
    """A customer a list might be for.

    `probability` is the score: of leaving for retention and care, of coming back for win-back; None without
    one. `value` is the money at stake, None where nothing has a price. `effects` are by offer what hold-outs have shown
    it to change: the share more of customers like them that stay, or come back. `claimed_by` is another list that has
    them already and goes before this one; `held_out`: chance held them out of something for the same purpose, and what
    that brings is still being measured. `because` are codes, `why` the same in words, `because_events` the events
    behind them. `place` is where they are, for the hours on their own clock. `order` breaks ties before the id does;
    ids are random per installation.
    """

    customer: str
    stage: Stage
    reachable: Reachable
    place: Place = Place((), "")
    probability: float | None = None
    value: Decimal | None = None
    effects: Mapping[str, float] = {}
    claimed_by: str = ""
    held_out: bool = False
    because: tuple[str, ...] = ()
    why: tuple[str, ...] = ()
    because_events: tuple[str, ...] = ()
    order: int = 0


class ListRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One candidate as frozen: ids, figures and reasons, never a personal value.

    `rule` says why somebody is no member. `profit` is what contacting them is expected to earn; it rests on the
    `effect` of the offer where hold-outs have shown one and the list is to go by it.
    `rank` is 1 for the first member, 0 for all others. It is good from `window_from` to `window_until`, its
    expiry; within that the customer may first be contacted from `contact_from` to `contact_until`.
    """

    customer: str
    part: Part
    stage: Stage
    rule: str = ""
    rank: int = 0
    probability: float | None = None
    value: Decimal | None = None
    profit: Decimal | None = None
    effect: float | None = None
    currency: str = ""
    because: tuple[str, ...] = ()
    why: tuple[str, ...] = ()
    because_events: tuple[str, ...] = ()
    offer: str = ""
    channel: Channel | None = None
    basis: str = ""
    window_from: datetime | None = None
    window_until: datetime | None = None
    contact_from: datetime | None = None
    contact_until: datetime | None = None


_decode = msgspec.json.Decoder(ListRow).decode


class Brief(Struct, frozen=True, kw_only=True):
    """What a list is asked for. `measured`: profits rest on the effect that hold-outs have shown, not on a setting."""

    purpose: ListPurpose
    as_of: datetime
    rules: ListRules
    reach: Mapping[Channel, tuple[str, ...]]
    currency: str
    seed: str
    calling: tuple[Times, ...] = ()
    measured: bool = False


class Priced(Struct, frozen=True):
    """A candidate who may be contacted; `key` sorts by expected profit, the best first."""

    candidate: Candidate
    permitted: Permitted
    offer: str
    profit: Decimal
    spend: Decimal
    effect: float | None
    window: Window
    key: tuple[Decimal, Decimal, float, int, str]


def build(brief: Brief, candidates: Iterable[Candidate]) -> list[ListRow]:
    """Every candidate's row in canonical order: members by rank, hold-out, beyond, suppressed.

    Whoever may not be contacted is suppressed first. The others are ranked by expected profit and cut
    where contacting does not pay, the budget is spent or the capacity reached; whatever comes after the
    first candidate over budget is over budget too. The hold-out is drawn last, from those left, so that
    it differs from the members by chance alone.
    """
    suppressed: list[tuple[str, Candidate]] = []
    priced: list[Priced] = []
    for candidate in candidates:
        found = judge(candidate, brief)
        if isinstance(found, str):
            suppressed.append((found, candidate))
        else:
            priced.append(found)
    priced.sort(key=lambda one: one.key)
    suppressed.sort(key=lambda pair: (pair[0], pair[1].order, pair[1].customer))
    chosen, beyond = _cut(priced, brief.rules)
    held = drawn([one.candidate.customer for one in chosen], brief.rules.holdout, brief.seed)
    members = [one for one in chosen if one.candidate.customer not in held]
    holdout = [one for one in chosen if one.candidate.customer in held]
    return [
        *(_row(one, brief, "member", rank=rank) for rank, one in enumerate(members, start=1)),
        *(_row(one, brief, "holdout", rule="holdout") for one in holdout),
        *(_row(one, brief, "beyond", rule=rule) for rule, one in beyond),
        *(_left_out(rule, candidate, brief) for rule, candidate in suppressed),
    ]


def judge(candidate: Candidate, brief: Brief) -> Priced | str:
    """What contacting a candidate is expected to bring, or the one rule that forbids it.

    First what `permission` says, then `other_list`: one that goes before this has them; `held_out`: to contact them
    now would spoil an earlier hold-out. Then `no_window`: before the row expires there is no hour at which the channel
    may be used where they are. Then `no_score`; `no_value`: nothing the customer bought or holds has a price in the
    list's currency; `no_effect`: the effect is to be a measured one, and theirs is not known.
    """
    rules = brief.rules
    found = permission(candidate.reachable, brief.purpose, rules.channels, rules.legal_basis, brief.reach)
    if isinstance(found, str):
        return found
    if candidate.claimed_by:
        return "other_list"
    if candidate.held_out:
        return "held_out"
    times = times_for(found.channel, brief.purpose, brief.calling)
    open_at = next_window(candidate.place, times, *window(brief.as_of, rules.days_open))
    if open_at is None:
        return "no_window"
    if candidate.probability is None:
        return "no_score"
    if candidate.value is None:
        return "no_value"
    rules = rules.for_value(candidate.value)
    effect = candidate.effects.get(rules.offer) if brief.measured else None
    if brief.measured and effect is None:
        return "no_effect"
    cost = rules.cost_of(found.channel)
    profit, spend = expected(brief.purpose, candidate.probability, candidate.value, rules, cost, effect)
    key = (-profit, -candidate.value, -candidate.probability, candidate.order, candidate.customer)
    return Priced(candidate, found, rules.offer, profit, spend, effect, open_at, key)


def drawn(customers: Sequence[str], share: float, seed: str) -> frozenset[str]:
    """The hold-out: this share of the customers (rounded), by a keyed hash, so that a seed gives it again."""
    count = int(len(customers) * share + 0.5)
    key = seed.encode()
    lot = sorted(customers, key=lambda one: (hmac.digest(key, one.encode(), "sha256"), one))
    return frozenset(lot[:count])


def canonical(found: Iterable[ListRow]) -> list[bytes]:
    """The rows as they are kept and hashed, one JSON object each."""
    return [_encode(row) for row in found]


def decoded(line: bytes) -> ListRow:
    """The row of a canonical line."""
    return _decode(line)


def digest(lines: Iterable[bytes]) -> str:
    """SHA-256 of the canonical rows, those left out included."""
    hashed = hashlib.sha256()
    for line in lines:
        hashed.update(line + b"\n")
    return hashed.hexdigest()


def window(as_of: datetime, days_open: int) -> tuple[datetime, datetime]:
    """From the start of the next day (UTC) for this many days."""
    at = as_of.astimezone(UTC)
    begin = datetime(at.year, at.month, at.day, tzinfo=UTC) + timedelta(days=1)
    return begin, begin + timedelta(days=days_open)


def still_open(row: ListRow, place: Place, times: Times, now: datetime) -> Window | None:
    """The hours in which a member may be contacted now or next, before the row expires; None where there are none.

    Looked for from the beginning of the day (UTC), so that one day's answer stays the same until they are over.
    Raises `Refused` as `next_window` does.
    """
    if row.window_from is None or row.window_until is None or row.window_until <= now:
        return None
    at = now.astimezone(UTC)
    begin = max(row.window_from, datetime(at.year, at.month, at.day, tzinfo=UTC))
    found = next_window(place, times, begin, row.window_until)
    while found is not None and found.end <= now:
        found = next_window(place, times, found.end, row.window_until)
    return found


def _cut(ranked: Sequence[Priced], rules: ListRules) -> tuple[list[Priced], list[tuple[str, Priced]]]:
    """Those to contact, and those beyond with the rule that cut them off."""
    chosen: list[Priced] = []
    beyond: list[tuple[str, Priced]] = []
    figures = [(one.profit, one.spend) for one in ranked]
    for one, rule in zip(ranked, cuts(figures, capacity=rules.capacity, budget=rules.budget), strict=True):
        if rule:
            beyond.append((rule, one))
        else:
            chosen.append(one)
    return chosen, beyond


def _row(one: Priced, brief: Brief, part: Part, *, rule: str = "", rank: int = 0) -> ListRow:
    begin, end = window(brief.as_of, brief.rules.days_open)
    return msgspec.structs.replace(
        _left_out(rule, one.candidate, brief), part=part, rank=rank, profit=one.profit, effect=one.effect,
        offer=one.offer, channel=one.permitted.channel, basis=one.permitted.basis,
        window_from=begin, window_until=end, contact_from=one.window.begin, contact_until=one.window.end,
    )  # fmt: skip


def _left_out(rule: str, candidate: Candidate, brief: Brief) -> ListRow:
    return ListRow(
        customer=candidate.customer, part="suppressed", stage=candidate.stage, rule=rule,
        probability=candidate.probability, value=candidate.value,
        currency=brief.currency if candidate.value is not None else "", because=candidate.because,
        why=candidate.why, because_events=candidate.because_events,
    )  # fmt: skip
