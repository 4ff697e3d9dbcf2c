"""One customer: what they are like for good, and how things stand with them now."""

from dataclasses import dataclass
from math import exp
from typing import Final

from services.simulator.draws import Draws, Table
from services.simulator.secret import Kind
from services.simulator.shapes import GIGABYTE_PRICE, PLANS, Plan
from services.simulator.spec import DAY

FACTOR: Final[dict[Kind, float]] = {"persuadable": 0.2, "sure": 1.0, "lost": 1.0, "do_not_disturb": 1.8}
"""What a full treatment makes of the intensity with which a customer of this kind leaves."""
RETURN_FACTOR: Final[dict[Kind, float]] = {
    "persuadable": 3.5,
    "sure": 1.0,
    "lost": 1.0,
    "do_not_disturb": 0.5,
}
"""The same for coming back."""
_LEAVES: Final[dict[Kind, float]] = {"persuadable": 2.0, "sure": 0.3, "lost": 2.0, "do_not_disturb": 0.7}
_RETURNS: Final[dict[Kind, float]] = {"persuadable": 1.0, "sure": 2.0, "lost": 0.3, "do_not_disturb": 0.8}
_MONTHLY_LEAVING, _MONTHLY_RETURN = 0.036, 0.055
_TERMS = Table({0: 0.25, 12: 0.35, 24: 0.4})
JOINS_LATER = 0.12
"""How many of the customers join while the world runs."""


@dataclass(slots=True)
class Life:
    """What is `kind` to `rate` stays; the rest moves.

    `thrift`, `digital` and `temper` are about 0 to 1: how much the price counts, how little they call, how easily
    they complain. `rate` is how many times a month something makes them contact the company; `use` gigabytes a
    month; `term` the seconds of contract that they sign at a time, 0 for none. `grief` is what has gone wrong
    between them and the company, and fades; `drift` the share of their use that went elsewhere; `upheaval` a life
    event's push to leave, and fades. `due_at` is when what a campaign's window has settled will happen.
    """

    number: int
    kind: Kind
    joined_at: int
    thrift: float
    digital: float
    temper: float
    rate: float
    use: float
    patience: float
    consent: bool
    plan: Plan
    term: int
    contract_end: int
    bill_day: int
    holding: int = 1
    told: int = 0
    grief: float = 0.0
    drift: float = 0.0
    upheaval: float = 0.0
    left_at: int = 0
    why: str = ""
    returned: int = 0
    window_end: int = 0
    due_at: int = 0

    @property
    def active(self) -> bool:
        """Are they a customer now?"""
        return self.left_at == 0

    @property
    def holding_id(self) -> str:
        """The contract they have, or had last."""
        return f"line-{self.number}-{self.holding}"


def born(number: int, seed: int, begin: int, months: list[int]) -> Life:
    """Customer `number` of a seed; who they are does not depend on how many others there are."""
    draws = Draws(seed, number + 1, 0)
    thrift, digital, temper = draws.share(), draws.share() ** 1.6, draws.share() ** 2
    term = draws.pick(_TERMS)
    if draws.happens(JOINS_LATER):
        joined, tenure = int(draws.between(begin + DAY, months[-1])), 0.0
    else:
        tenure = min(draws.exponential(900.0), 3_000.0)
        joined = begin - int(tenure * DAY) - draws.whole(DAY)
    wish = draws.lognormal(8.0, 0.8)
    plan = PLANS[min(2, int(draws.share() * 1.3 + (wish > 6) + (wish > 18) * 0.8 - thrift * 0.6))]
    return Life(
        number=number,
        kind=_kind(draws, thrift, digital, temper, term, tenure),
        joined_at=joined,
        thrift=thrift,
        digital=digital,
        temper=temper,
        rate=min(draws.exponential(0.14) + draws.exponential(0.14), 1.6) * (0.7 + 0.9 * temper),
        use=wish,
        patience=draws.lognormal(0.95, 0.35),
        consent=draws.happens(0.9),
        plan=plan,
        term=term * 30 * DAY,
        contract_end=_contract_end(joined, term * 30 * DAY, begin),
        bill_day=1 + draws.whole(26),
    )


def _kind(draws: Draws, thrift: float, digital: float, temper: float, term: int, tenure: float) -> Kind:
    """How they answer a treatment, which shows in how they live: not for sure, but more often."""
    table: Table[Kind] = Table({
        "persuadable": exp(0.6 + 8.0 * (thrift - 0.5) - 1.0 * digital),
        "sure": exp(0.5 + 1.5 * (term == 24) - 5.0 * (thrift - 0.5)),
        "lost": exp(-1.3 + 6.0 * (temper - 0.3)),
        "do_not_disturb": exp(-3.2 + 6.5 * digital + 0.6 * min(tenure / 900.0, 2.0)),
    })  # fmt: skip
    return draws.pick(table)


def _contract_end(joined: int, term: int, begin: int) -> int:
    """The end of the term that runs at `begin`, or 0 without one; terms follow each other until somebody moves."""
    if not term:
        return 0
    # One who stayed for three terms no longer renews.
    return joined + term * min(max(begin - joined, 0) // term + 1, 3)


def bill(life: Life, gigabytes: float) -> float:
    """What a month costs them."""
    return round(life.plan.price + GIGABYTE_PRICE * max(0.0, gigabytes - life.plan.gigabytes), 2)


def leaving_intensity(life: Life, at: int) -> float:
    """How strongly they tend to leave, a month; nothing random is in it."""
    left = (life.contract_end - at) / DAY
    contract = 0.3 if life.contract_end == 0 or left < 0 else 0.9 if left < 75 else -1.1
    tenure = min((at - life.joined_at) / DAY / 365.0, 5.0)
    misfit = max(0.0, 1.0 - life.use / life.plan.gigabytes) * life.thrift
    score = contract + 0.9 * life.grief + 2.2 * life.drift + life.upheaval + 0.6 * misfit - 0.2 * tenure
    return min(_MONTHLY_LEAVING * _LEAVES[life.kind] * exp(score), 0.8)


def return_intensity(life: Life, at: int) -> float:
    """How strongly one who left tends to come back, a month."""
    months = (at - life.left_at) / DAY / 30.0
    return _MONTHLY_RETURN * _RETURNS[life.kind] * exp(-0.12 * months - 0.5 * min(life.grief, 2.0))
