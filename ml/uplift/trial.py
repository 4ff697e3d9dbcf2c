"""What is handed in: who was assigned a treatment, how that was decided, and what came of it.

Everything assigned is compared with everything held out, contacted or not (intention to treat). Who was
reached, opened or accepted decided that himself, and differs for that reason alone.
"""

from dataclasses import dataclass

import numpy as np


class UpliftRefused(Exception):
    """No effect can be told from this, why, and what would help.

    Codes: uplift.malformed, .assignment_unknown, .after_assignment, .propensity_out_of_range,
    .outcome_unknown, .too_few, .one_outcome, .share_differs, .out_of_balance. `path` is the part of the
    trial that is at fault. Neither cause nor fix holds a value of a customer.
    """

    def __init__(self, code: str, path: str, cause: str, fix: str) -> None:
        super().__init__(f"{code} at {path}: {cause} {fix}")
        self.code, self.path, self.cause, self.fix = code, path, cause, fix


@dataclass(frozen=True)
class RandomHoldout:
    """Each unit was held out by chance with the same probability (0 to 1, neither)."""

    held_out: float


@dataclass(frozen=True, eq=False)
class LoggedPropensity:
    """Each unit was drawn with a probability of its own to be treated, written down at the time."""

    propensity: np.ndarray


@dataclass(frozen=True)
class AfterAssignment:
    """`treated` says what happened later ("reached", "opened", "accepted"): always refused."""

    what: str


Assignment = RandomHoldout | LoggedPropensity | AfterAssignment


@dataclass(frozen=True, eq=False)
class Trial:
    """One treatment and its hold-out: a row for each unit that was drawn for one of the two.

    `features` (rows × columns, NaN: not known) are what was known before the draw. `customers` says whose
    a row is: a customer who was drawn several times stays whole in folds and resamples. `outcome` is 0 or
    1, or money. Rows that are not `eligible` were never in the draw; they are left out and counted.
    `assignment` None means that nobody knows, which is refused.
    """

    treatment: str
    columns: tuple[str, ...]
    features: np.ndarray
    customers: np.ndarray
    treated: np.ndarray
    outcome: np.ndarray
    eligible: np.ndarray
    assignment: Assignment | None
