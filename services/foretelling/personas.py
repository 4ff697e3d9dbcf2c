"""Personas: groups that are fitted once, frozen as an event, and given to customers who are new or have moved."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
import polars as pl
from msgspec import Struct

from events.envelope import Envelope
from events.prediction import Axes, FrozenPersona, PersonaAssigned, PersonasFrozen
from infra.ids import derived_id
from infra.workspace import Workspace
from ml.facts import EXACT
from ml.persona import Flow, Persona, Personas, Refit, fit, refit
from ml.value.contract import BILLED
from models.errors import Refused
from services.foretelling.evidence import BOUGHT, RETURNED, currency_of, gather
from services.foretelling.recording import SEED, Asking, People, asking, latest, people
from services.prediction import Bars, silent

LONGEST = 1000


class Row(Struct, frozen=True, kw_only=True):
    """One persona today: how many customers are in it, their share, and its centre in figures."""

    name: str
    customers: int
    share: float
    says: str


class Assigned(Struct, frozen=True, kw_only=True):
    """One run: the freeze that holds, whether it was made now, who is where, and how many were recorded.

    `moved` of those who had a persona are in another. After a refit, `flows` say who went where, `elsewhere` which
    share is no longer in the persona that took the place of their own.
    """

    freeze: int
    frozen_at: datetime
    frozen_now: bool
    why: str
    currency: str
    others: tuple[str, ...]
    rows: tuple[Row, ...]
    new: int
    moved: int
    flows: tuple[Flow, ...] = ()
    elsewhere: float | None = None


def personas(
    workspace: Workspace, issuer: str | None = None, as_of: datetime | None = None, *, currency: str = "",
    why: str | None = None, progress: Bars = silent,
) -> Assigned:  # fmt: skip
    """Give every customer who ever paid their persona, by the groups that are frozen; the first run freezes them.

    With a `why` they are fitted anew and frozen again. A day with purchases or bills counts as one purchase. Refused,
    with nothing recorded: `as_of_ahead`, `value.no_money`, what `ml.persona.fit` refuses, `persona.not_yet` (as of a
    moment before the freeze), `persona.same_moment` (frozen as of this moment already), `persona.meanwhile` (somebody
    else froze them), `persona.why`.
    """
    if why is not None and not 0 < len(why) <= LONGEST:
        raise Refused(
            "persona.why", f"say in a sentence why they are fitted anew, in at most {LONGEST} letters"
        )
    asked = asking(workspace, as_of, "touchstone personas")
    moment, model = asked.moment, f"persona:{issuer}" if issuer else "persona"
    history = workspace.log.stream(f"personas-{model}")
    last = _last(history, moment, why)
    known = gather(workspace, issuer, (BOUGHT, RETURNED, BILLED), progress).at(moment)
    chosen, others = currency_of(known, currency or (last.currency if last and why is None else ""))
    customers, rows = _rows(known, chosen, moment)
    again = (
        bool(why) and last is not None and last.as_of != moment
    )  # else it is this refit, asked for once more
    with progress("fitting" if last is None or again else "assigning"):
        anew = refit(_thawed(last), rows, seed=SEED) if last is not None and again else None
        groups = _groups(last, anew, rows)
        places = groups.assign(rows) if len(rows) else np.zeros(0, dtype=int)
    frozen_now = last is None or anew is not None
    if frozen_now:
        last = _frozen(model, len(history) + 1, moment, groups, chosen, why or "", anew)
        stream = f"personas-{model}"
        if not asked.record_stream("personas", f"{model}:{last.freeze}", stream, last, len(history)):
            raise Refused("persona.meanwhile", "somebody else has frozen personas meanwhile: ask again")
    assert last is not None  # it was found, or made just now
    everybody = people(workspace)
    new, moved = _record(asked, everybody, last, dict(zip(customers, places.tolist(), strict=True)))
    count = Counter(places.tolist())
    return Assigned(
        freeze=last.freeze, frozen_at=last.as_of, frozen_now=frozen_now, why=last.why, currency=chosen, others=others,
        rows=tuple(
            Row(name=one.name, customers=count[at], share=count[at] / max(len(places), 1), says=one.says)
            for at, one in enumerate(groups.personas)
        ),
        new=new, moved=moved, flows=anew.flows if anew else (), elsewhere=anew.moved if anew else None,
    )  # fmt: skip


def _last(history: Sequence[Envelope], moment: datetime, why: str | None) -> PersonasFrozen | None:
    """The freeze that holds at a moment; None before the first. Refused where a new one would come before it."""
    if not history:
        return None
    newest: PersonasFrozen = history[-1].event
    standing = [e.event for e in history if e.event.as_of <= moment]
    if not standing or (why and newest.as_of > moment):
        raise Refused(
            "persona.not_yet",
            f"personas were frozen as of {newest.as_of.isoformat()}: ask as of that moment or later",
        )
    if why and newest.as_of == moment and newest.because != why:
        raise Refused(
            "persona.same_moment",
            "personas were frozen as of this moment already: fit them anew as of a later one",
        )
    return standing[-1]


def _groups(last: PersonasFrozen | None, anew: Refit | None, rows: np.ndarray) -> Personas:
    if last is None:
        return fit(rows, seed=SEED)
    return anew.personas if anew else _thawed(last)


def _rows(known: pl.DataFrame, currency: str, moment: datetime) -> tuple[list[str], np.ndarray]:
    """Whoever paid in the currency: days since they last did, days on which they did, what they spent less returns."""
    kind, amount = pl.col("type"), pl.col("amount_e4").fill_null(0)
    told = known.filter(
        kind.is_in([BOUGHT, RETURNED, BILLED])
        & ((pl.col("currency") == currency) | pl.col("amount_e4").is_null())
    )
    paid, day = kind != RETURNED, pl.col("occurred_at").dt.date()
    each = told.group_by("customer").agg(
        recency=pl.col("age").filter(paid).min(),
        frequency=day.filter(paid).n_unique(),
        spend=(amount.filter(paid).sum() - amount.filter(~paid).sum()) / EXACT,
    ).filter(pl.col("frequency") > 0).sort("customer")  # fmt: skip
    return each["customer"].to_list(), each.select("recency", "frequency", "spend").to_numpy().astype(
        np.float64
    )


def _record(
    asked: Asking, known: People, frozen: PersonasFrozen, places: Mapping[str, int]
) -> tuple[int, int]:
    """Those who are new or have moved: how many were recorded, and how many of them had another persona."""
    before = {
        one: e.event for one, e in latest(asked.workspace, PersonaAssigned.WIRE, asked.moment, known).items()
    }
    run = derived_id("persona", frozen.model, str(frozen.freeze), asked.moment.isoformat())
    told, moved = [], 0
    for key, at in places.items():
        one = known.recorded(key)
        if one is None:
            continue
        was, name = before.get(one), frozen.personas[at].name
        if was is not None and (was.persona, was.place) == (name, at + 1):
            continue
        moved += was is not None
        told.append((one, PersonaAssigned(
            run=run, as_of=asked.moment, persona=name, place=at + 1, of=len(frozen.personas), freeze=frozen.freeze,
            before=was.persona if was else None,
        )))  # fmt: skip
    return asked.record(f"persona:{run}", told), moved


def _frozen(
    model: str,
    freeze: int,
    moment: datetime,
    found: Personas,
    currency: str,
    because: str,
    anew: Refit | None,
) -> PersonasFrozen:
    return PersonasFrozen(
        model=model, freeze=freeze, as_of=moment, customers=found.customers, seed=found.seed, why=found.why[:LONGEST],
        personas=tuple(
            FrozenPersona(
                name=one.name, share=one.share, centre=_axes(one.centre), days=one.days, purchases=one.purchases,
                spend=one.spend,
            )
            for one in found.personas
        ),
        usual=_axes(found.usual), spread=_axes(found.spread), currency=currency, because=because,
        moved=anew.moved if anew else None,
    )  # fmt: skip


def _thawed(told: PersonasFrozen) -> Personas:
    """The groups as they can assign, out of what was recorded."""
    return Personas(
        personas=tuple(
            Persona(
                name=one.name, share=one.share, centre=_three(one.centre), days=one.days, purchases=one.purchases,
                spend=one.spend,
            )
            for one in told.personas
        ),
        usual=_three(told.usual), spread=_three(told.spread), customers=told.customers, seed=told.seed, tried=(),
        why=told.why,
    )  # fmt: skip


def _axes(three: tuple[float, float, float]) -> Axes:
    recency, frequency, spend = three
    return Axes(recency=recency, frequency=frequency, spend=spend)


def _three(axes: Axes) -> tuple[float, float, float]:
    return axes.recency, axes.frequency, axes.spend
