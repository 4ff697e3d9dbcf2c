"""The money to come: purchases foretold × money per purchase foretold."""

from collections.abc import Mapping

import numpy as np
from msgspec import Struct

from ml.value import purchase_model, spend_model
from ml.value.histories import Histories, Spending, Summary
from ml.value.purchase_model import PurchaseModel
from ml.value.refusals import BadParameters, WrongShape
from ml.value.spend_model import SpendModel

Parameters = dict[str, dict[str, float]]


class ValueModel(Struct, frozen=True, kw_only=True):
    """BG/NBD for the purchases and Gamma-Gamma for the money of each."""

    purchases: PurchaseModel
    spend: SpendModel

    def expected_money(self, histories: Histories, spending: Spending, horizon: float) -> np.ndarray:
        """Money to expect of each customer in the next `horizon` units of time; one number a row.

        It is turnover, in the currency of the spending: neither margin nor interest is taken off. Raises WrongShape,
        and what `PurchaseModel.expected` raises.
        """
        if len(histories) != len(spending):
            raise WrongShape("", f"{len(histories)} histories, but {len(spending)} customers' spending.")
        return self.purchases.expected(histories, horizon) * self.spend.expected(spending)

    def to_parameters(self) -> Parameters:
        """All there is to it, for JSON."""
        return {"purchases": self.purchases.to_parameters(), "spend": self.spend.to_parameters()}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, dict[str, float]]) -> "ValueModel":
        """The model of these parameters. Raises BadParameters."""
        if set(parameters) != {"purchases", "spend"}:
            raise BadParameters("parameters", "expected purchases and spend, no more and no less.")
        return cls(
            purchases=PurchaseModel.from_parameters(parameters["purchases"]),
            spend=SpendModel.from_parameters(parameters["spend"]),
        )


def fit(summary: Summary) -> ValueModel:
    """Both models, fitted on the same customers; raises what their own fits raise."""
    return ValueModel(
        purchases=purchase_model.fit(summary.histories), spend=spend_model.fit(summary.after_first)
    )


def past_purchases(histories: Histories, horizon: float) -> np.ndarray:
    """The first thing to beat: all go on at the pace of their purchases after the first. Nobody has a pace on day 0."""
    return _carried_on(histories.repeats, histories.age, horizon)


def past_money(summary: Summary, horizon: float) -> np.ndarray:
    """The same for money: what each paid per unit of time so far, carried on."""
    return _carried_on(summary.money, summary.histories.age, horizon)


def _carried_on(total: np.ndarray, age: np.ndarray, horizon: float) -> np.ndarray:
    return np.divide(total, age, out=np.zeros(len(age)), where=age > 0) * horizon
