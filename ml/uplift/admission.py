"""Which trials may be judged at all: everything that makes a difference no effect is refused here."""

from dataclasses import dataclass

import numpy as np

from ml.uplift.balance import SUSPECT, Balance, balance
from ml.uplift.trial import AfterAssignment, LoggedPropensity, RandomHoldout, Trial, UpliftRefused

LEAST_CUSTOMERS = 100
"""In each arm; with propensities that vary, so many that count alike."""
LEAST_OUTCOMES = 20
"""Customers with and customers without the outcome, in each arm (money: those with any)."""


@dataclass(frozen=True, eq=False)
class Admitted:
    """The eligible rows of a sound trial. `customers` are numbered from 0, `weight` is 1 ÷ P(own arm)."""

    treatment: str
    columns: tuple[str, ...]
    features: np.ndarray
    customers: np.ndarray
    treated: np.ndarray
    outcome: np.ndarray
    propensity: np.ndarray
    weight: np.ndarray
    money: bool
    left_out: int
    balance: Balance

    @property
    def share(self) -> float:
        """The part of the rows that was to be treated."""
        return float(self.propensity.mean())


def admit(trial: Trial) -> Admitted:
    """The trial's eligible rows, checked. Raises UpliftRefused, whose codes say what is wrong."""
    _assert_assigned(trial)
    _assert_whole(trial)
    rows = np.asarray(trial.eligible)
    treated, outcome = np.asarray(trial.treated)[rows], np.asarray(trial.outcome, dtype=float)[rows]
    features = np.asarray(trial.features, dtype=float)[rows]
    _, customers = np.unique(np.asarray(trial.customers)[rows], return_inverse=True)
    propensity = _propensity(trial, rows)
    unknown = int((~np.isfinite(outcome)).sum())
    if unknown:
        raise UpliftRefused(
            "uplift.outcome_unknown", "outcome", f"{unknown} eligible rows have none.",
            "Wait until the window has passed for all of them; no outcome by then is 0.",
        )  # fmt: skip
    weight = np.where(treated, 1 / propensity, 1 / (1 - propensity))
    money = not np.isin(outcome, (0.0, 1.0)).all()
    _assert_enough(treated, weight, customers)
    _assert_outcomes(treated, outcome, customers, money)
    found = balance(features, trial.columns, treated, propensity, customers)
    _assert_drawn(found)
    return Admitted(
        treatment=trial.treatment, columns=trial.columns, features=features, customers=customers,
        treated=treated, outcome=outcome, propensity=propensity, weight=weight, money=money,
        left_out=int((~rows).sum()), balance=found,
    )  # fmt: skip


def _assert_assigned(trial: Trial) -> None:
    match trial.assignment:
        case None:
            raise UpliftRefused(
                "uplift.assignment_unknown", "assignment", "Nobody says how units came to be treated.",
                "Hold units out at random, or log the probability with which each was treated.",
            )  # fmt: skip
        case AfterAssignment(what=what):
            raise UpliftRefused(
                "uplift.after_assignment", "assignment",
                f"“{what}” happened after the assignment: those it happened to differ by that alone.",
                "Compare all who were assigned with all who were held out, whatever happened to them.",
            )  # fmt: skip
        case RandomHoldout(held_out=held_out) if not 0 < held_out < 1:
            raise UpliftRefused(
                "uplift.propensity_out_of_range", "assignment.held_out",
                "A share of 0 or 1 leaves nobody to compare with.", "Hold out a part of the units.",
            )  # fmt: skip


def _assert_whole(trial: Trial) -> None:
    rows, width = len(trial.treated), len(trial.columns)
    parts = {"customers": trial.customers, "outcome": trial.outcome, "eligible": trial.eligible}
    if isinstance(trial.assignment, LoggedPropensity):
        parts["assignment.propensity"] = trial.assignment.propensity
    for path, part in parts.items():
        if np.shape(part) != (rows,):
            raise _malformed(path, f"It has the shape {np.shape(part)}, where `treated` has {rows} rows.")
    if np.shape(trial.features) != (rows, width):
        raise _malformed("features", f"They have the shape {np.shape(trial.features)}, not {(rows, width)}.")
    for path, part in (("treated", trial.treated), ("eligible", trial.eligible)):
        if np.asarray(part).dtype != bool:
            raise _malformed(path, "It is to be true or false.")
    endless = np.isinf(np.asarray(trial.features, dtype=float)).any(axis=0)
    if endless.any():
        names = [name for name, bad in zip(trial.columns, endless, strict=True) if bad]
        raise _malformed("features", f"There are endless values in {', '.join(names)}.")


def _malformed(path: str, cause: str) -> UpliftRefused:
    return UpliftRefused("uplift.malformed", path, cause, "Hand in one row for each unit in all parts.")


def _propensity(trial: Trial, rows: np.ndarray) -> np.ndarray:
    if isinstance(trial.assignment, RandomHoldout):
        return np.full(int(rows.sum()), 1 - trial.assignment.held_out)
    assert isinstance(trial.assignment, LoggedPropensity)
    propensity = np.asarray(trial.assignment.propensity, dtype=float)[rows]
    outside = int((~((propensity > 0) & (propensity < 1))).sum())
    if outside:
        raise UpliftRefused(
            "uplift.propensity_out_of_range", "assignment.propensity",
            f"{outside} rows have a propensity of 0, of 1, or none: they could not have been drawn otherwise.",
            "Mark as not eligible whoever was not in the draw; draw with something between 0 and 1.",
        )  # fmt: skip
    return propensity


def _assert_enough(treated: np.ndarray, weight: np.ndarray, customers: np.ndarray) -> None:
    for path, arm in (("treated", treated), ("held out", ~treated)):
        own, total = weight[arm], weight[arm].sum()
        alike = float(total**2 / (own @ own)) if arm.any() else 0.0
        enough = min(alike, len(np.unique(customers[arm])))
        if enough < LEAST_CUSTOMERS:
            raise UpliftRefused(
                "uplift.too_few", path,
                f"{int(enough)} customers, at least {LEAST_CUSTOMERS} are needed (those with rare"
                " propensities count for less).",
                "Take a longer time, a larger hold-out, or propensities nearer to one half.",
            )  # fmt: skip


def _assert_outcomes(treated: np.ndarray, outcome: np.ndarray, customers: np.ndarray, money: bool) -> None:
    for path, arm in (("treated", treated), ("held out", ~treated)):
        some, none = (len(np.unique(customers[arm & kind])) for kind in (outcome != 0, outcome == 0))
        if some < LEAST_OUTCOMES or (none < LEAST_OUTCOMES and not money):
            raise UpliftRefused(
                "uplift.one_outcome", path,
                f"{some} customers have an outcome and {none} have none;"
                f" at least {LEAST_OUTCOMES} {'with one' if money else 'of each'} are needed.",
                "Take more units, a longer window, or an outcome that happens oftener.",
            )  # fmt: skip


def _assert_drawn(found: Balance) -> None:
    if found.share_p < SUSPECT:
        raise UpliftRefused(
            "uplift.share_differs", "treated",
            "The number treated is not what the stated probabilities give"
            f" (a draw does this with p = {found.share_p:.1g}).",
            "Count everyone who was assigned as treated, contacted or not, and look for rows that are missing.",
        )  # fmt: skip
    if found.omnibus_p < SUSPECT:
        furthest = ", ".join(f"{apart.column} ({apart.difference:+.2f} sd)" for apart in found.furthest)
        raise UpliftRefused(
            "uplift.out_of_balance", "features",
            f"Treated and held out differed before: {furthest}; a draw does this with"
            f" p = {found.omnibus_p:.1g} (chi-square {found.omnibus:.0f} on {found.degrees}).",
            "Compare all who were assigned with all who were held out, and log how they were drawn.",
        )  # fmt: skip
