"""Whom a list might be for, as of a moment: stage, score, money at stake, reachability, and why."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from events.prediction import ScoreReason
from infra.database import unavailable
from infra.standing import Standing, Standings, place_of_view, reachable
from infra.target_list import foretold
from infra.target_list.claims import claims
from infra.target_list.foretold import Known
from infra.target_list.terms import Terms
from infra.target_list.then import Then, everyone, forgotten
from infra.workspace import Workspace
from models.domain.calling_window import Place
from models.domain.identity import Key
from models.domain.lifecycle import StageEntry
from models.domain.permission import Reachable
from models.domain.target_list import Candidate
from models.domain.worth import CENT, ListPurpose, money_at_stake
from models.errors import Refused
from models.projections.customer_360 import Complaint, Foretold, Holding, Value
from models.tables.journal import journal_head

DIGITS = 9
"""Decimals of a probability; a score has no more."""

_NO_CODE = re.compile(r"[^\w.\-]+")


class Gathered(Struct, frozen=True, kw_only=True):
    """Candidates, and what they rest on: terms with their currency, an artifact, the journal up to a position."""

    candidates: list[Candidate]
    terms: Terms
    artifact: str
    position: int


class _Seen(Struct, kw_only=True):
    """What is kept of a customer until currency and artifact are decided."""

    customer: str
    entry: StageEntry
    last_because: str
    reachable: Reachable
    value: dict[str, Value]
    holdings: tuple[Holding, ...]
    place: Place
    churn: Foretold | None
    also: tuple[str, ...]
    """The other ids under which they were known."""
    complaint: Complaint | None
    effects: Mapping[str, float] = {}
    foretold: Mapping[str, Decimal] = {}
    claimed_by: str = ""
    held_out: bool = False


def gather(
    workspace: Workspace, terms: Terms, moment: datetime, *, artifact: str | None = None,
    position: int | None = None,
) -> Gathered:  # fmt: skip
    """Every customer in a stage the list is about, as known at the moment.

    One artifact's scores count, so that probabilities compare: the one named, else the one that scored
    last. With a `position`, nothing that is recorded above it counts and no view is asked: what was gathered once
    is gathered again. Raises `Refused` (`list.nobody`, `list.no_scores` where it scored none of them),
    `Unavailable`.
    """
    with unavailable(), workspace.engine.connect() as connection:
        connection = connection.execution_options(isolation_level="REPEATABLE READ")
        source: Then | Standings
        if position is None:
            source = Standings(connection, workspace.rules, terms.zone)
        else:
            source = Then(connection, terms.lifecycle, terms.zone, position)
        head = connection.execute(select(journal_head.c.position)).scalar_one()
        seen = _seen(connection, source, terms, moment, forgotten(connection, moment, position))
        chosen = artifact or terms.artifact or _latest(seen)
        known = Known(connection=connection, moment=moment, position=position)
        _use_scores_of(known, chosen, seen)
        _use(known, terms, seen)
    if not seen:
        about = ", ".join(sorted(terms.stages))
        raise Refused("list.nobody", f"nobody of the population was {about} by then: there is nobody to list")
    if not any(one.churn for one in seen):
        by = chosen or "any model"
        raise Refused(
            "list.no_scores",
            f"by then {by} had scored nobody here: run `touchstone score` first, with a model that is about them "
            "(holding_ended scores holders alone, no_activity those who are gone too)",
        )
    decided = msgspec.structs.replace(terms, currency=terms.currency or _usual_currency(seen))
    candidates = [_candidate(one, decided, moment) for one in seen]
    return Gathered(
        candidates=[one for one in candidates if _worth_enough(one, decided)], terms=decided, artifact=chosen,
        position=head if position is None else position,
    )  # fmt: skip


def _seen(
    connection: Connection,
    source: Then | Standings,
    terms: Terms,
    moment: datetime,
    suppressed: Collection[Key],
) -> list[_Seen]:
    seen: list[_Seen] = []
    for chunk in source.at(moment, everyone(connection)):
        seen += [
            found
            for one in chunk
            if _named_by(one, terms.issuer) and (found := _as_seen(one, terms, moment, suppressed))
        ]
    return seen


def _named_by(one: Standing, issuer: str) -> bool:
    return not issuer or any(held.issuer == issuer for held in one.view.identifiers)


def _as_seen(one: Standing, terms: Terms, moment: datetime, suppressed: Collection[Key]) -> _Seen | None:
    entry, churn, complaint = one.lifecycle.now, one.view.churn, one.view.settled_complaint
    if entry is None or entry.stage not in terms.stages:
        return None
    if not terms.complained_lately(complaint.settled_at if complaint else None, moment):
        return None
    return _Seen(
        customer=one.customer, entry=entry, last_because=one.lifecycle.last_because,
        reachable=reachable(one, suppressed), value=one.view.value,
        holdings=tuple(one.view.holdings.values()), place=place_of_view(one.view, terms.home),
        churn=churn if churn and churn.as_of <= moment else None, also=one.view.one_with(one.customer),
        complaint=complaint if terms.complaint_settled_days is not None else None,
    )  # fmt: skip


def _latest(seen: Iterable[_Seen]) -> str:
    scored = [(one.churn.as_of, one.churn.artifact) for one in seen if one.churn]
    return max(scored)[1] if scored else ""


def _use_scores_of(known: Known, artifact: str, seen: Iterable[_Seen]) -> None:
    """Where the last score is another artifact's, the last one of this artifact."""
    others = {one.customer: one for one in seen if one.churn and one.churn.artifact != artifact}
    found = foretold.scores(known, others, artifact)
    for customer, one in others.items():
        one.churn = found.get(customer)


def _use(known: Known, terms: Terms, seen: Iterable[_Seen]) -> None:
    """What else the terms ask of a candidate: effects, foretold values, and whether another list has them."""
    ids = [one.customer for one in seen]
    effects = (
        foretold.effects(known, ids, terms.purpose, terms.treatments) if terms.effect == "measured" else {}
    )
    values = foretold.values(known, ids, terms.purpose) if terms.value == "foretold" else {}
    everybody = [*ids, *(other for one in seen for other in one.also)]
    taken = claims(known.connection, everybody, known.moment, terms.series, terms.priority)
    held = foretold.held_out(known, everybody, terms.purpose)
    for one in seen:
        one.held_out = not held.isdisjoint((one.customer, *one.also))
        one.effects, one.foretold = effects.get(one.customer, {}), values.get(one.customer, {})
        one.claimed_by = next((taken[i] for i in (one.customer, *one.also) if i in taken), "")


def _usual_currency(seen: Iterable[_Seen]) -> str:
    """The currency in which most of them bought or hold something; of equals, the first by name."""
    count: Counter[str] = Counter()
    for one in seen:
        bought = {currency for currency, value in one.value.items() if value.purchases > value.unpriced}
        count.update(bought | {held.currency for held in one.holdings if held.price is not None})
    return min(count, key=lambda currency: (-count[currency], currency), default="")


def _worth_enough(one: Candidate, terms: Terms) -> bool:
    """Is as much at stake as the population asks for? Of whom nothing has a price, that can't be said."""
    return terms.least_value is None or (one.value is not None and one.value >= terms.least_value)


def _candidate(one: _Seen, terms: Terms, moment: datetime) -> Candidate:
    score, purpose = one.churn, terms.purpose
    reasons = _speaking_for(purpose, score.reasons if score else ())
    value = _value(one, score, terms, moment) if score else None
    complaint = one.complaint.event_id if one.complaint else ""
    events = (score.event_id if score else "", one.entry.because, one.last_because, complaint)
    if score is None:
        probability, order = None, 0
    elif purpose == "win_back":
        probability, order = round(1 - score.probability, DIGITS), -score.rank
    else:
        probability, order = score.probability, score.rank
    return Candidate(
        customer=one.customer, stage=one.entry.stage, reachable=one.reachable, place=one.place, probability=probability,
        value=value, effects=one.effects, claimed_by=one.claimed_by, held_out=one.held_out,
        because=(one.entry.rule, *(_NO_CODE.sub("_", reason.feature) for reason in reasons)),
        why=(*_in_words(one, value, terms.currency), *(reason.says for reason in reasons)),
        because_events=tuple(dict.fromkeys(event for event in events if event)), order=order,
    )  # fmt: skip


def _speaking_for(purpose: ListPurpose, reasons: Sequence[ScoreReason]) -> list[ScoreReason]:
    """Why somebody may leave, or may come back; what speaks against it is no reason to be on the list."""
    towards = -1 if purpose == "win_back" else 1
    return [reason for reason in reasons if reason.contribution * towards > 0]


def _in_words(one: _Seen, value: Decimal | None, currency: str) -> Iterator[str]:
    """The stage with its rule, the complaint where the list is about complainants, and the money at stake."""
    entry, complaint = one.entry, one.complaint
    rule = entry.rule.replace("_", " ")
    if complaint and complaint.settled_at:
        yield f"complained of {complaint.reason}, settled on {complaint.settled_at:%Y-%m-%d}"
    yield f"{entry.stage.replace('_', ' ')} since {entry.since:%Y-%m-%d}: {rule}"
    if value is not None:
        yield f"{value} {currency} at stake".replace("  ", " ")


def _value(one: _Seen, score: Foretold, terms: Terms, moment: datetime) -> Decimal | None:
    currency = terms.currency
    if terms.value == "foretold":
        amount = one.foretold.get(currency)
        return None if amount is None else (amount * Decimal(str(terms.rules.margin))).quantize(CENT)
    bought = one.value.get(currency)
    priced = bought if bought and bought.purchases > bought.unpriced else None
    prices = [held.price for held in one.holdings if held.price is not None and held.currency == currency]
    return money_at_stake(
        spent=priced.amount if priced else None, first_at=priced.first_at if priced else None,
        last_at=priced.last_at if priced else None, monthly=sum(prices, Decimal(0)) if prices else None,
        as_of=moment, horizon_days=score.horizon_days, active_days=terms.lifecycle.active_days,
        margin=terms.rules.margin,
    )  # fmt: skip
