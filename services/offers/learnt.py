"""The acceptances that were learnt last, as numbers that can be asked of one customer."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from msgspec import Struct
from sqlalchemy import select

from events.offer import AcceptanceLearnt
from infra.database import unavailable
from infra.journal.stored import read
from infra.workspace import Workspace
from ml.definition import Feature
from ml.kit import Kit
from ml.offer.acceptance import Acceptance
from ml.offer.learning import filled, meaning
from ml.offer.presentations import ready
from models.errors import Refused
from models.tables.journal import journal

MODEL = "everybody"
STREAM = f"acceptance-{MODEL}"
LEAST = 0.02
"""Log odds below which a feature is no reason."""


class Acceptances(Struct, frozen=True, kw_only=True):
    """The last run, its acceptances, and the questions it asks of a customer."""

    run: str
    acceptance: Acceptance
    questions: tuple[Feature, ...]

    def chances(self, known: Mapping[str, float | None]) -> dict[str, float]:
        """Offer → how likely this customer is to take it."""
        found = self.acceptance.probability(self._row(known))[0]
        return dict(zip(self.acceptance.offers, np.round(found, 9).tolist(), strict=True))

    def reasons(self, offer: str, known: Mapping[str, float | None], most: int = 3) -> tuple[str, ...]:
        """What makes this customer likelier than the usual one to take an offer, in words, the strongest first.

        None for what is not known of the customer.
        """
        if offer not in self.acceptance.offers:
            return ()
        weights = np.array(self.acceptance.weights[self.acceptance.offers.index(offer)][1:])
        usual, spread = np.array(self.acceptance.usual), np.array(self.acceptance.spread)
        pushes = weights * (self._row(known)[0] - usual) / spread
        strongest = np.argsort(-pushes, kind="stable")[:most]
        return tuple(
            self.questions[at].phrase(known[self.questions[at].name])
            for at in strongest
            if pushes[at] >= LEAST
        )

    def _row(self, known: Mapping[str, float | None]) -> np.ndarray:
        columns = self.acceptance.columns
        if not columns:
            return np.empty((1, 0))
        row = pl.DataFrame(
            {name: [known.get(name)] for name in columns}, schema=dict.fromkeys(columns, pl.Float64)
        )
        return filled(ready(row, columns, self.questions), np.array(self.acceptance.usual))


def last_learnt(workspace: Workspace, kit: Kit) -> Acceptances | None:
    """What counts now; None where nothing was learnt yet.

    Refused: `offer.other_features` where it was learnt of features that mean something else here.
    """
    with unavailable(), workspace.engine.connect() as connection:
        found = read(connection, journal.c.stream == STREAM, order=journal.c.revision.desc(), limit=1)
    if not found:
        return None
    event = found[0].event
    assert isinstance(event, AcceptanceLearnt)
    by_name = {one.name: one for one in kit.questions}
    gone = [name for name in event.columns if name not in by_name]
    if gone or (event.columns and meaning(event.columns, kit.questions) != event.asked):
        raise Refused(
            "offer.other_features",
            "what customers take was learnt of features that are not here or mean something else here"
            f"{f' ({gone[0]})' if gone else ''}: run `touchstone offers learn` again",
        )
    return Acceptances(
        run=event.run, questions=tuple(by_name[name] for name in event.columns),
        acceptance=Acceptance(
            offers=tuple(one.offer for one in event.offers), columns=event.columns, usual=event.usual,
            spread=event.spread, weights=tuple(one.weights for one in event.offers),
            shown=tuple(one.shown for one in event.offers),
        ),
    )  # fmt: skip


def times_learnt(workspace: Workspace) -> int:
    """How often something was learnt: the revision of the stream."""
    query = select(journal.c.revision).where(journal.c.stream == STREAM).order_by(journal.c.revision.desc())
    with unavailable(), workspace.engine.connect() as connection:
        return connection.execute(query.limit(1)).scalar() or 0
