"""Folding owners' whole histories anew: after something late, a correction, or a change of who is whom."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from prometheus_client import Counter
from sqlalchemy import Connection

from events.envelope import Envelope, Event
from events.identity import IdentifierLinked
from infra import ledger
from infra.folding import Fold
from infra.identity import unassigned
from infra.journal import histories
from infra.journal.histories import Family
from infra.process.heart import Heart
from infra.view_store import ViewStore
from models.domain.history import CHANGING, effective
from models.domain.ownership import TELLING

FOLDED = Counter("touchstone_folded_total", "Events folded into the views", ["how"])
SLICE = 200
"""Owners whose histories are in memory at once."""
HELD = 20_000
"""Events that are in memory at once, unless a single owner has more."""

MOVING: tuple[type[Event], ...] = (*CHANGING, *(TELLING - {IdentifierLinked}))
"""Events that change what others mean, or whose they are."""


class Refolding:
    """Folds anew into these views. `heart` is told of every event before it is folded."""

    def __init__(self, stores: Sequence[ViewStore], heart: Heart) -> None:
        self._stores, self._heart = stores, heart

    def anew(
        self, connection: Connection, owners: Mapping[str, set[int] | None], passed_over: Collection[str]
    ) -> None:
        """Fold owners' histories anew: owner → its late events, or None where more than lateness asks for it.

        Of those that are only late, the rows of single events stand: just the new ones are written. Histories
        are read a slice of owners at a time: whole ones, but not all at once.
        """
        wanted = sorted(owners)
        for start in range(0, len(wanted), SLICE):
            part = wanted[start : start + SLICE]
            self._fold_anew(connection, {owner: owners[owner] for owner in part}, passed_over)

    def _fold_anew(
        self, connection: Connection, owners: Mapping[str, set[int] | None], passed_over: Collection[str]
    ) -> None:
        """One slice. It reads ahead of the feed, so it enters in the ledger everything that it has read."""
        families = histories.families(connection, owners)
        streams = [owner for owner in owners if histories.is_stream(owner)]
        ids = [one for family in families for one in family.ids]
        alone = len(families) + len(streams) == 1
        read = list(histories.histories(connection, ids, streams, most=None if alone else HELD))
        if not alone and len(read) > HELD:
            del read
            for half in _halves(owners):
                self._fold_anew(connection, half, passed_over)
            return
        ahead = ledger.enter(connection, [e.position for e in read])
        found, open_ = _sorted_out(families, read)
        del read
        unassigned.write(connection, [family for family in families if family.tangled], open_)
        whole = [family for family in families if len(family.ids) == 1]
        standing = {
            owner: late | ahead
            for family in whole
            if (late := owners.get(owner := family.name)) is not None and _stands(found[owner], ahead)
        }
        standing |= {
            one: late | ahead
            for one in streams
            if (late := owners[one]) is not None and _stands(found[one], ahead)
        }
        self._take_away(connection, {*ids, *streams}, standing, passed_over)
        played = {owner: effective(found.pop(owner)) for owner in list(found)}
        folds = [Fold(store) for store in self._stores]
        changing = [fold for fold in folds if not fold.store.projection.row_per_event]
        for owner, history in played.items():
            unwritten = standing.get(owner)
            for event in self._heart.watch(history):
                for fold in folds if unwritten is None or event.position in unwritten else changing:
                    fold.take(event, owner)
            for fold in folds:
                fold.end()
        for fold in folds:
            fold.write(connection, fresh=True)
        FOLDED.labels("refold").inc(sum(len(history) for history in played.values()))
        ledger.set_heads(
            connection, {owner: history[-1].order for owner, history in played.items() if history}
        )

    def _take_away(
        self,
        connection: Connection,
        owners: set[str],
        standing: Collection[str],
        passed_over: Collection[str],
    ) -> None:
        """Their rows; where those of single events stand, only what lies aside by now."""
        for store in self._stores:
            if not store.projection.row_per_event:
                store.delete_owners(connection, owners)
                continue
            store.delete_owners(connection, owners.difference(standing))
            if passed_over and standing:
                store.delete_keys(connection, passed_over, of=standing)


def _halves(owners: Mapping[str, set[int] | None]) -> Iterator[dict[str, set[int] | None]]:
    names, middle = list(owners), len(owners) // 2
    for part in (names[:middle], names[middle:]):
        yield {owner: owners[owner] for owner in part}


def _sorted_out(
    families: Sequence[Family], read: Iterable[Envelope]
) -> tuple[dict[str, list[Envelope]], list[Envelope]]:
    """Owner → history, of everybody in these families and of the streams that are nobody's; and what is open."""
    of_id = {one: family for family in families for one in family.ids}
    together: dict[str, list[Envelope]] = defaultdict(list)
    found: dict[str, list[Envelope]] = defaultdict(list)
    for e in read:
        if not e.customer:
            found[e.stream].append(e)
        elif len((family := of_id[e.customer]).ids) == 1:
            found[e.customer].append(e)
        else:
            together[family.name].append(e)
    open_: list[Envelope] = []
    for one, events in together.items():
        sorted_out = histories.sorted_out(of_id[one], events)
        found.update(sorted_out.histories)
        open_ += sorted_out.open
    return found, open_


def _stands(history: Iterable[Envelope], ahead: Collection[int]) -> bool:
    """Do the rows of an owner's single events stand, but for those that are new to the ledger?

    Not where what was read ahead says that an earlier event was otherwise, or another's.
    """
    return not any(e.position in ahead and isinstance(e.event, MOVING) for e in history)
