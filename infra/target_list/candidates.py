"""Whom a list might be for, as of a moment: stage, score, money at stake, reachability, and why."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from msgspec import Struct
from sqlalchemy import Connection, select

from events.prediction import ChurnScored, ScoreReason
from infra import populations
from infra.database import unavailable
from infra.journal.stored import read
from infra.standing import CHUNK, Standing, Standings, reachable
from infra.workspace import Workspace
from models.domain.calling_window import Place, place_of
from models.domain.identity import Key
from models.domain.lifecycle import StageEntry
from models.domain.permission import Reachable
from models.domain.target_list import STAGES, Candidate
from models.domain.worth import ListPurpose, money_at_stake
from models.errors import Refused
from models.projections.customer_360 import Foretold, Holding, Value
from models.tables.identity import customer
from models.tables.journal import journal

DIGITS = 9
"""Decimals of a probability; a score has no more."""

_NO_CODE = re.compile(r"[^\w.\-]+")


class Gathered(Struct, frozen=True, kw_only=True):
    """Candidates, and what they rest on: one currency, one artifact's scores, the journal up to here."""

    candidates: list[Candidate]
    currency: str
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


def gather(
    workspace: Workspace, purpose: ListPurpose, moment: datetime, *, issuer: str | None = None,
    artifact: str | None = None,
) -> Gathered:  # fmt: skip
    """Every customer in a stage the purpose is about, as known at the moment.

    One artifact's scores count, so that probabilities compare: the one named, else the one that scored
    last. Raises `Refused` (`list.no_scores`) where it scored nobody here, `Unavailable`.
    """
    with unavailable(), workspace.engine.connect() as connection:
        connection = connection.execution_options(isolation_level="REPEATABLE READ")
        seen, position = _seen(connection, workspace, purpose, moment, issuer)
        chosen = artifact or _latest(seen)
        _use_scores_of(connection, chosen, seen, moment)
    if not any(one.churn for one in seen):
        by = artifact or "any model"
        raise Refused("list.no_scores", f"by then {by} had scored nobody here: run `touchstone score` first")
    currency = workspace.rules.currency or _usual_currency(seen)
    return Gathered(
        candidates=[_candidate(one, workspace, purpose, moment, currency) for one in seen],
        currency=currency, artifact=chosen, position=position,
    )  # fmt: skip


def _seen(
    connection: Connection, workspace: Workspace, purpose: ListPurpose, moment: datetime, issuer: str | None
) -> tuple[list[_Seen], int]:
    standings = Standings(connection, workspace.rules, workspace.settings.zone)
    seen: list[_Seen] = []
    suppressed = standings.suppressed()
    home = Place((workspace.settings.zone,), workspace.settings.region)
    position = 0
    for chunk in standings.at(moment, _population(connection, workspace, issuer)):
        position = max([position, *(one.position for one in chunk)])
        complaints = standings.complaints(chunk)
        seen += [
            found
            for one in chunk
            if _named_by(one, issuer)
            and (found := _as_seen(one, purpose, moment, complaints, suppressed, home))
        ]
    return seen, position


def _population(connection: Connection, workspace: Workspace, issuer: str | None) -> set[str]:
    if issuer is not None:
        return populations.customers_of(workspace.engine, issuer)
    return {str(one) for one in connection.execute(select(customer.c.survivor).distinct()).scalars()}


def _named_by(one: Standing, issuer: str | None) -> bool:
    return issuer is None or any(held.issuer == issuer for held in one.view.identifiers)


def _as_seen(
    one: Standing,
    purpose: ListPurpose,
    moment: datetime,
    complaints: Collection[str],
    suppressed: Collection[Key],
    home: Place,
) -> _Seen | None:
    entry, churn = one.lifecycle.now, one.view.churn
    if entry is None or entry.stage not in STAGES[purpose]:
        return None
    return _Seen(
        customer=one.customer, entry=entry, last_because=one.lifecycle.last_because,
        reachable=reachable(one, complaints, suppressed), value=one.view.value,
        holdings=tuple(one.view.holdings.values()), place=_place(one, home),
        churn=churn if churn and churn.as_of <= moment else None,
    )  # fmt: skip


def _place(one: Standing, home: Place) -> Place:
    """Where a customer is, by what their phone numbers say."""
    phones = (held.facets for held in one.view.identifiers if held.kind == "phone" and not held.blocked)
    facets = next((said for said in phones if said.get("zone") or said.get("country")), {})
    return place_of(facets.get("country", ""), facets.get("zone", ""), home)


def _latest(seen: Iterable[_Seen]) -> str:
    scored = [(one.churn.as_of, one.churn.artifact) for one in seen if one.churn]
    return max(scored)[1] if scored else ""


def _use_scores_of(connection: Connection, artifact: str, seen: Iterable[_Seen], moment: datetime) -> None:
    """Where the last score is another artifact's, the last one of this artifact."""
    others = {one.customer: one for one in seen if one.churn and one.churn.artifact != artifact}
    ids = sorted(others)
    for one in others.values():
        one.churn = None
    for start in range(0, len(ids), CHUNK):
        some = ids[start : start + CHUNK]
        scored = read(
            connection, journal.c.type == ChurnScored.WIRE, journal.c.customer.in_(some),
            journal.c.occurred_at <= moment, journal.c.known_at <= moment,
        )  # fmt: skip
        for found in sorted(scored, key=lambda e: e.order):
            if found.event.artifact == artifact and found.event.as_of <= moment:
                others[found.customer].churn = _foretold(found.event_id, found.event)


def _foretold(event_id: str, event: ChurnScored) -> Foretold:
    return Foretold(
        event_id=event_id, as_of=event.as_of, horizon_days=event.horizon_days, probability=event.probability,
        rank=event.rank, of=event.of, artifact=event.artifact, reasons=event.reasons,
    )  # fmt: skip


def _usual_currency(seen: Iterable[_Seen]) -> str:
    """The currency in which most of them bought or hold something; of equals, the first by name."""
    count: Counter[str] = Counter()
    for one in seen:
        bought = {currency for currency, value in one.value.items() if value.purchases > value.unpriced}
        count.update(bought | {held.currency for held in one.holdings if held.price is not None})
    return min(count, key=lambda currency: (-count[currency], currency), default="")


def _candidate(
    one: _Seen, workspace: Workspace, purpose: ListPurpose, moment: datetime, currency: str
) -> Candidate:
    score = one.churn
    reasons = _speaking_for(purpose, score.reasons if score else ())
    value = _value(one, score, workspace, purpose, moment, currency) if score else None
    events = (score.event_id if score else "", one.entry.because, one.last_because)
    if score is None:
        probability, order = None, 0
    elif purpose == "retention":
        probability, order = score.probability, score.rank
    else:
        probability, order = round(1 - score.probability, DIGITS), -score.rank
    return Candidate(
        customer=one.customer, stage=one.entry.stage, reachable=one.reachable, place=one.place, probability=probability,
        value=value,
        because=(one.entry.rule, *(_NO_CODE.sub("_", reason.feature) for reason in reasons)),
        why=(*_in_words(one.entry, value, currency), *(reason.says for reason in reasons)),
        because_events=tuple(dict.fromkeys(event for event in events if event)), order=order,
    )  # fmt: skip


def _speaking_for(purpose: ListPurpose, reasons: Sequence[ScoreReason]) -> list[ScoreReason]:
    """Why somebody may leave, or may come back; what speaks against it is no reason to be on the list."""
    towards = 1 if purpose == "retention" else -1
    return [reason for reason in reasons if reason.contribution * towards > 0]


def _in_words(entry: StageEntry, value: Decimal | None, currency: str) -> Iterator[str]:
    """What holds for every candidate: the stage with its rule, and the money at stake."""
    rule = entry.rule.replace("_", " ")
    yield f"{entry.stage.replace('_', ' ')} since {entry.since:%Y-%m-%d}: {rule}"
    if value is not None:
        yield f"{value} {currency} at stake".replace("  ", " ")


def _value(
    one: _Seen, score: Foretold, workspace: Workspace, purpose: ListPurpose, moment: datetime, currency: str
) -> Decimal | None:
    bought = one.value.get(currency)
    priced = bought if bought and bought.purchases > bought.unpriced else None
    prices = [held.price for held in one.holdings if held.price is not None and held.currency == currency]
    rules = workspace.rules.retention if purpose == "retention" else workspace.rules.win_back
    return money_at_stake(
        spent=priced.amount if priced else None, first_at=priced.first_at if priced else None,
        last_at=priced.last_at if priced else None, monthly=sum(prices, Decimal(0)) if prices else None,
        as_of=moment, horizon_days=score.horizon_days, active_days=workspace.rules.lifecycle.active_days,
        margin=rules.margin,
    )  # fmt: skip
