"""The API's answers as tables of text: a customer at a glance, what happened to them, a pipeline."""

from collections.abc import Iterable
from typing import Any

from services.demo.grids import Grid
from services.demo.wording import NO_DATA, count, figure, label, listed, moment, pairs, plain, share

NOISE = frozenset({"run", "artifact", "event_id", "list_id", "because_events", "opportunity_id", "as_of"})
"""Fields of an event that say nothing to a reader."""

BOTH = frozenset({0, 1})


def customer(answer: dict[str, Any]) -> Grid:
    """The 360-view, a line a subject. An empty answer (nobody to show) has no lines."""
    rows = [(about, said) for about, said in _customer(answer)] if answer else []
    return Grid(title="One customer", columns=("about", "as known"), rows=tuple(rows), text=BOTH)


def _customer(answer: dict[str, Any]) -> Iterable[tuple[str, str]]:
    identity, lifecycle = answer["identity"], answer["lifecycle"]
    yield "customer", plain(answer["customer"])
    yield "as of", moment(answer["at"])
    yield "known from, until", f"{moment(identity['first_at'])}, {moment(identity['last_at'])}"
    yield "identifiers", listed([_identifier(one) for one in identity["identifiers"]])
    if lifecycle is None:
        yield "stage", NO_DATA
    else:
        yield (
            "stage",
            f"{label(lifecycle['stage'])} since {moment(lifecycle['since'])}: {label(lifecycle['rule'])}",
        )
        yield (
            "stages before",
            listed([f"{label(one['stage'])} {moment(one['since'])}" for one in lifecycle["log"][:-1]]),
        )
    yield "value", listed([_value(one) for one in answer["value"] or []])
    yield "holdings", listed([f"{one['product']} since {moment(one['since'])}" for one in answer["holdings"]])
    consent = answer["consent"]
    yield "consent", plain(consent["note"] or "") or listed([_consent(one) for one in consent["recorded"]])
    contacts = answer["contacts"]
    yield "contacts", plain(contacts["says"]) if contacts["ever"] else NO_DATA
    yield "open cases", listed([label(one["reason"]) or one["case_id"] for one in answer["cases"]])
    yield (
        "open opportunities",
        listed([f"{label(one['subject'])}, {label(one['stage'])}" for one in answer["opportunities"]]),
    )
    churn = answer["predictions"]["churn"]
    if churn is None:
        yield "foretold", NO_DATA
        return
    yield (
        "foretold",
        (
            f"{figure(churn['probability'], 3)} to leave within {churn['horizon_days']} days of "
            f"{moment(churn['as_of'])}: rank {count(churn['rank'])} of {count(churn['of'])}"
        ),
    )
    yield "because", listed([one["says"] for one in churn["reasons"]])


def _identifier(one: dict[str, Any]) -> str:
    issuer = f" ({one['issuer']})" if one["issuer"] else ""
    return (
        f"{one['kind']}{issuer} {one['value'] or NO_DATA}{', shared by too many' if one['blocked'] else ''}"
    )


def _value(one: dict[str, Any]) -> str:
    money = (
        f"{one['amount']} {one['currency'] or '(currency unknown)'}" if one["amount"] is not None else NO_DATA
    )
    parts = [f"{count(one['purchases'])} purchases", money]
    if one["returns"]:
        parts.append(f"{count(one['returns'])} returns")
    if one["unpriced"]:
        parts.append(f"{count(one['unpriced'])} without a price")
    return f"{', '.join(parts)}, {moment(one['first_at'])} to {moment(one['last_at'])}"


def _consent(one: dict[str, Any]) -> str:
    scope = f"{label(one['channel']) or 'every channel'} for {label(one['purpose']) or 'any purpose'}"
    return f"{scope} {'granted' if one['granted'] else 'withdrawn'} {moment(one['since'])}"


def timeline(items: list[dict[str, Any]], most: int) -> Grid:
    """The newest of what happened, as the API gives it: newest first."""
    rows = tuple(
        (
            moment(one["occurred_at"]), plain(one["type"]),
            f"{moment(one['known_at'])}{' (assumed)' if one['known_assumed'] else ''}", plain(one["source"]),
            pairs(one["data"], NOISE),
        )
        for one in items[:most]
    )  # fmt: skip
    says = f"The newest {len(rows)} of {len(items)} entries." if len(rows) < len(items) else ""
    columns = ("when", "what", "known at", "source", "said")
    return Grid(title="Timeline", columns=columns, rows=rows, text=frozenset(range(5)), says=says)


def pipeline(title: str, board: dict[str, Any]) -> Grid:
    """A board by stage; `conversion` is the share won of the closed ones that were ever in the stage."""
    rows = tuple(
        (
            label(one["stage"]), count(one["count"]), _amounts(one["value"]), figure(one["average_days"], 1),
            share(one["conversion"]), count(one["measured"]),
        )
        for one in board["stages"]
        if one["count"] or one["measured"]
    )  # fmt: skip
    totals = board["totals"]
    says = (
        f"{count(totals['won'])} won, {count(totals['lost'])} lost, {count(totals['open'])} open; "
        f"conversion (won of all closed) {share(totals['conversion'])}."
    )
    columns = ("stage", "count", "value", "average days", "conversion", "measured on")
    return Grid(title=title, columns=columns, rows=rows, text=frozenset({0}), says=says)


def forecast(board: dict[str, Any]) -> str:
    """What the open ones let us expect, in a sentence."""
    told = board["forecast"]
    return (
        f"Forecast (value x probability of what is open): {_amounts(told['value'])}, "
        f"{count(told['counted'])} counted, {count(told['left_out'])} left out."
    )


def missed(board: dict[str, Any]) -> Grid:
    """Open opportunities whose follow-up is overdue; recorded misses are counted."""
    late = board["overdue"]
    rows = tuple(
        (
            plain(one["opportunity_id"]), label(one["department"]) or NO_DATA, label(one["owner"]) or "nobody yet",
            "missed, recorded" if one["missed"] else f"due {moment(one['due_at'])}",
        )
        for one in late["first"]
    )  # fmt: skip
    says = f"{count(late['count'])} follow-ups are overdue." if late["count"] else "No follow-up is overdue."
    columns = ("opportunity", "department", "owner", "follow-up")
    return Grid(title="Overdue follow-ups", columns=columns, rows=rows, text=frozenset(range(4)), says=says)


def _amounts(values: list[dict[str, Any]] | None) -> str:
    if not values:
        return NO_DATA
    return " + ".join(
        f"{float(one['amount']):,.0f} {one['currency'] or '(currency unknown)'}" for one in values
    )
