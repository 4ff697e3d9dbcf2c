"""Where a data scientist's own code is called: what it raises or gives is told with its file, and what to change.

Only calls of what came out of such a file go through here; an error of our own stays a traceback.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import polars as pl

from ml.cut import Cut
from ml.definition import Feature
from ml.features.catalogue import ask
from ml.labels import Ahead, Label

IN_FRAME = 'give a polars DataFrame with the column "customer"'


class OwnFileRefused(ValueError):
    """A file of one's own can't be used: which one, why, and what would be right."""


@dataclass(frozen=True)
class OwnFeature(Feature):
    """A feature out of the file `whose`."""

    whose: str = ""


@contextmanager
def blamed(whose: str, does: str, cure: str) -> Iterator[None]:
    """Whatever is raised inside is the fault of `whose`; of nobody's where that is empty, and is let through."""
    try:
        yield
    except OwnFileRefused:
        raise
    except Exception as error:
        if not whose:
            raise
        raise OwnFileRefused(f"{whose}: {does} raises {said(error)}: {cure}") from error


def said(error: BaseException) -> str:
    """The kind of an error and its first sentence: libraries add plans, advice, and the values they stumbled over."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    for added in ("; valid columns", " values: ["):
        first = first.partition(added)[0]
    first = first.rstrip(".:")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def feature_of(path: Path, feature: Feature) -> OwnFeature:
    """The same feature, which knows its file."""
    told = {one.name: getattr(feature, one.name) for one in fields(Feature)}
    return OwnFeature(**told, whose=f"{path}: the feature {feature.name}")


def label_of(path: Path, label: Label) -> Label:
    """The same label; its functions raise `OwnFileRefused` where they fail or give no customers."""
    whose = f"{path}: the label {label.name}"

    def concerns(cut: Cut) -> pl.DataFrame:
        return _customers(whose, "the function that says whom it concerns", label.concerns, cut)

    def left(cut: Cut, ahead: Ahead) -> pl.DataFrame:
        return _customers(whose, "the function that says who left", label.left, cut, ahead)

    return replace(label, concerns=concerns, left=left)


def answers(cut: Cut, questions: Sequence[Feature]) -> pl.DataFrame:
    """As `ml.features.catalogue.ask`; raises `OwnFileRefused` where one of the questions is the cause."""
    try:
        return ask(cut, questions)
    except Exception:
        for one in questions:
            if isinstance(one, OwnFeature):
                with blamed(one.whose, "asking it", "ml/cut.py says what columns and types each table has"):
                    ask(cut, (one,))
        raise


def _customers(whose: str, which: str, function: Callable[..., Any], *arguments: object) -> pl.DataFrame:
    with blamed(whose, which, f"correct it; it must {IN_FRAME}"):
        found = function(*arguments)
    if not isinstance(found, pl.DataFrame):
        raise OwnFileRefused(f"{whose}: {which} gives {_kind(found)}: it must {IN_FRAME}")
    if found.schema.get("customer") != pl.String:
        raise OwnFileRefused(
            f"{whose}: {which} gives a frame with no column of customers' keys: it must {IN_FRAME}"
        )
    return found


def _kind(found: object) -> str:
    return "None" if found is None else f"a {type(found).__name__}"
