"""What features say of one customer at this moment: the same questions as in training, asked of the journal."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec import Struct

from infra.journal import histories
from infra.views import Views
from ml.cut import Cut
from ml.definition import Feature
from ml.facts import facts, frame, owned
from ml.features.catalogue import Features, ask
from ml.kit import Kit
from ml.offer.presentations import day_of


class Known(Struct, frozen=True, kw_only=True):
    """Features by name: for eligibility as of now, for chances as before the day, as they were learnt."""

    now: Mapping[str, float | None]
    before_today: Mapping[str, float | None]


class Asked(Struct, frozen=True, kw_only=True):
    """The questions of eligibility rules and of acceptances."""

    rules: tuple[Feature, ...]
    chances: tuple[Feature, ...]

    @classmethod
    def of(cls, kit: Kit, rules: Iterable[str], chances: Iterable[str]) -> "Asked":
        """By name; all of them are known."""
        by_name = {one.name: one for one in kit.questions}
        return cls(
            rules=tuple(by_name[name] for name in dict.fromkeys(rules)),
            chances=tuple(by_name[name] for name in chances),
        )

    def of_customer(self, views: Views, customer: str, now: datetime) -> Known:
        """One customer's, with everything that is known to be theirs now. Raises `Unavailable`."""
        if not self.rules and not self.chances:
            return Known(now={}, before_today={})
        with views.reading() as connection:
            known = histories.known(connection, customer)
        told = facts(owned(frame((customer, e) for e in (known.events if known else ())).lazy()).collect())
        return Known(
            now=_answers(Cut(told, now), self.rules) if self.rules else {},
            before_today=_answers(Cut(told, day_of(now)), self.chances) if self.chances else {},
        )


def _answers(cut: Cut, questions: tuple[Feature, ...]) -> Features:
    rows = ask(cut, questions).drop("customer").to_dicts()
    return rows[0] if rows else {one.name: one.empty for one in questions}
