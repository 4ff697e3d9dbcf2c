"""Whose some events are now, asked of the journal itself: for those that no view has."""

from collections.abc import Mapping

from sqlalchemy import Connection

from infra.journal.histories import families, histories, sorted_out


def owners(connection: Connection, recorded: Mapping[str, str]) -> dict[str, str]:
    """Event id → its owner, given whose each was taken to be at recording; nobody's are missing.

    One moment's answer in a transaction of REPEATABLE READ. Raises `Moved` where it is not one.
    """
    found: dict[str, str] = {}
    wanted: dict[str, list[str]] = {}
    for event_id, customer in recorded.items():
        if customer:
            wanted.setdefault(customer, []).append(event_id)
    for family in families(connection, wanted.keys()):
        theirs = [event_id for one in family.ids for event_id in wanted.get(one, ())]
        if not family.tangled:  # then a customer's id alone says it
            for one in family.ids:
                found |= dict.fromkeys(wanted.get(one, ()), family.survivors[one])
            continue
        asked = set(theirs)
        for owner, history in sorted_out(family, list(histories(connection, family.ids))).histories.items():
            found |= {one.event_id: owner for one in history if one.event_id in asked}
    return found
