"""What a feature is: a question with a name, a unit, its source events, and words for its answer."""

import ast
import hashlib
import inspect
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Literal

import polars as pl

from ml.cut import Over

Unit = Literal[
    "days", "purchases", "uses", "returns", "contacts", "requests", "offers", "answers", "holdings", "cases", "bills",
    "money", "times", "share", "rate", "seconds", "points",
]  # fmt: skip
Family = Literal[
    "recency", "frequency", "tenure", "money", "rhythm", "returns", "contact", "waiting", "leaving", "complaint",
    "satisfaction", "use", "bill", "holding", "offer",
]  # fmt: skip


@dataclass(frozen=True)
class Feature:
    """One question asked of a customer's past.

    `ask` is the answer for one customer: an aggregate over that customer's rows of the table `over` (`ml.cut`), which
    has nothing of the cut or later. `empty` is the answer for who has no row in it: 0 for a count, None where the
    question has no answer (no gap with a single purchase). What is asked for may be counted in parts, of which `per`
    are one unit (money in ten-thousandths: 10,000). `says` words a value in a reason, with the value and its unit in
    place of {}, `below` one that lies below 0, and `unknown` its absence. `skewed` values (counts, money, days) enter
    linear models as log(1 + value). `sources` are the wire names of the events it is made of.
    """

    name: str
    family: Family
    meaning: str
    unit: Unit
    sources: tuple[str, ...]
    over: Over
    ask: pl.Expr
    says: str
    unknown: str = ""
    below: str = ""
    empty: float | None = None
    per: float = 1.0
    skewed: bool = True

    def phrase(self, value: float | None) -> str:
        """The value in words, the same for equal values: "last purchase 212 days ago"."""
        if value is None or math.isnan(value):
            return self.unknown or self.says.format("nothing")
        if value < 0 and self.below:
            return self.below.format(_quantity(-value, self.unit))
        return self.says.format(_quantity(value, self.unit))


def _quantity(value: float, unit: Unit) -> str:
    match unit:
        case "money":
            return f"{value:.2f}"
        case "times":
            return f"{value:.1f} times"
        case "share":
            return f"{100 * value:.0f} %"
        case "rate" | "points":
            return f"{value:.1f}"
        case "seconds":
            return f"{value:.0f} s"
    whole = math.floor(value)
    return f"{whole} {unit.removesuffix('s')}" if whole == 1 else f"{whole} {unit}"


def hash_of(features: Iterable[Feature], code: Iterable[ModuleType]) -> str:
    """SHA-256 of what features mean and how modules compute them; comments, docstrings, layout left out."""
    described = [
        (f.name, f.family, f.unit, f.sources, f.over, f.empty, f.per, f.skewed, str(f.ask)) for f in features
    ]
    return hashlib.sha256(
        json.dumps([described, [_meaning_of(module) for module in code]]).encode()
    ).hexdigest()


def _meaning_of(module: ModuleType) -> str:
    tree = ast.parse(inspect.getsource(module))
    for node in ast.walk(tree):
        match body := getattr(node, "body", None):
            case [ast.Expr(value=ast.Constant()), *_]:
                body.pop(0)
    return ast.dump(tree)
