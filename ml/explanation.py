"""Why a score is what it is: what each family of features pushes the log odds by, in words.

Features of one family say nearly the same (three windows of the same purchases), so that their single
weights mean little. A family is therefore one reason: its push is what the log odds would change by if
the whole family were as usual, and it is told by the one feature in it that pushes most.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct

from events.prediction import ScoreReason
from ml.definition import Family, Feature
from ml.features.catalogue import FEATURES
from ml.model import ChurnModel

LEAST = 0.02
"""Log odds below which a push is no reason."""


class Pushes(Struct, frozen=True):
    """Log odds by row: of each family (in the order of the columns), of each column, beyond the usual."""

    by_family: np.ndarray
    by_column: np.ndarray
    beyond_usual: np.ndarray


def pushes(model: ChurnModel, selected: np.ndarray, questions: Sequence[Feature] = FEATURES) -> Pushes:
    """What pushes each row's log odds away from the usual customer's; rows with only the model's columns.

    Exact for the linear models, where it is weight x (value - training mean). For the boosting a family,
    and a column, is replaced by the training medians and the model asked again.
    """
    members = list(_families(model, questions).values())
    if not _is_linear(model):
        own = model.log_odds_of(selected)
        usual = float(model.log_odds_of(model.reference.reshape(1, -1))[0])
        by_column = _replaced(model, selected, own, [[i] for i in range(len(model.columns))])
        by_family = _replaced(model, selected, own, members)
        return Pushes(by_family, by_column, own - usual)
    by_column = _linear(model, selected)
    by_family = np.column_stack([by_column[:, columns].sum(axis=1) for columns in members])
    return Pushes(by_family, by_column, by_column.sum(axis=1))


def reasons(
    model: ChurnModel, selected: np.ndarray, questions: Sequence[Feature] = FEATURES, most: int = 3
) -> list[tuple[ScoreReason, ...]]:
    """For each row, of only the model's columns, up to `most` reasons, strongest first.

    Only those that push the way the score lies from the usual customer's: why likely, or why unlikely.
    `contribution` is in log odds of leaving, positive towards it.
    """
    found = pushes(model, selected, questions)
    way = np.where(found.beyond_usual >= 0, 1.0, -1.0)
    towards, columns = found.by_family * way[:, None], found.by_column * way[:, None]
    strongest = np.argsort(-towards, axis=1, kind="stable")[:, :most]
    members = list(_families(model, questions).values())
    by_name = {one.name: one for one in questions}
    return [
        tuple(
            _reason(
                model, by_name, selected[row], _strongest(columns[row], members[f]), found.by_family[row, f]
            )
            for f in strongest[row]
            if towards[row, f] >= LEAST
        )
        for row in range(len(selected))
    ]


def _strongest(towards: np.ndarray, members: list[int]) -> int:
    return max(members, key=lambda column: towards[column])


def _reason(
    model: ChurnModel, by_name: Mapping[str, Feature], row: np.ndarray, column: int, push: float
) -> ScoreReason:
    name = model.columns[column]
    return ScoreReason(
        feature=name, says=by_name[name].phrase(float(row[column])), contribution=round(float(push), 4)
    )


def _is_linear(model: ChurnModel) -> bool:
    steps = getattr(model.estimator, "named_steps", {})
    return list(steps) == ["fill", "scale", "weigh"] and hasattr(steps["weigh"], "coef_")


def _families(model: ChurnModel, questions: Sequence[Feature]) -> dict[Family, list[int]]:
    """The columns of each family the model looks at."""
    of = {one.name: one.family for one in questions}
    families: dict[Family, list[int]] = {}
    for column, name in enumerate(model.columns):
        families.setdefault(of[name], []).append(column)
    return families


def _linear(model: ChurnModel, selected: np.ndarray) -> np.ndarray:
    """Weight x (value - training mean) by column; an unknown value's own weight goes to its column."""
    fill, scale, weigh = (model.estimator.named_steps[step] for step in ("fill", "scale", "weigh"))
    by_input = scale.transform(fill.transform(model.inputs(selected))) * weigh.coef_[0] * model.slope
    by_column = by_input[:, : len(model.columns)].copy()
    for place, column in enumerate(fill.indicator_.features_):
        by_column[:, column] += by_input[:, len(model.columns) + place]
    return by_column


def _replaced(
    model: ChurnModel, selected: np.ndarray, own: np.ndarray, groups: list[list[int]]
) -> np.ndarray:
    """Own log odds minus those with each group of columns made usual; rows that are usual in it are not asked again."""
    by_group = np.zeros((len(selected), len(groups)))
    for place, columns in enumerate(groups):
        usual, here = model.reference[columns], selected[:, columns]
        unusual = ~((here == usual) | (np.isnan(here) & np.isnan(usual))).all(axis=1)
        changed = selected[unusual]
        changed[:, columns] = usual
        by_group[unusual, place] = own[unusual] - model.log_odds_of(changed)
    return by_group
