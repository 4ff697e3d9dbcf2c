"""What a list earns on the Telco file when it is sized by money, beside fixed cuts and the published measure.

Scores are out of fold: logistic regression on one-hot and scaled columns, and a small boosting, both judged on
customers they have not seen. Nobody was contacted in this file; the share of leavers that an offer would keep is the
measure's assumption.
"""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from bench.ml.line import Line
from ml.profit import Acceptance, Terms, counted, expected_maximum, foretold
from models.domain import profit

Numbers = NDArray[np.float64]

NUMBERS = ("tenure", "MonthlyCharges", "TotalCharges")
TIGHT = Terms(value=60, offer_cost=15, contact_cost=3)
AT_LEAST = 10.2
MONTHS, KEPT = 12, 0.3
"""Where each customer has a value of their own: this many months of their bills, of which the company keeps a share."""
RESAMPLES = 200


def run(data: Path) -> list[Line]:
    """The figures; `data` is the folder with `telco.csv`. Takes a few seconds on one core."""
    table, left = _read(data)
    lines: list[Line] = []
    scores = {}
    for name, model, reference in (("logistic", _logistic(), 10.28), ("small boosting", _boosting(), 10.26)):
        began = perf_counter()
        folds = StratifiedKFold(5, shuffle=True, random_state=42)
        with threadpool_limits(1):
            scores[name] = cross_val_predict(model, table, left, cv=folds, method="predict_proba")[:, 1]
        lines += _of(name, left, scores[name], reference, began)
    for name, order, reference in (
        ("tenure alone", -table["tenure"].to_numpy().astype(float), 8.53),
        ("everyone or nobody", np.zeros(len(left)), 6.92),
    ):
        lines.append(Line(f"EMPC, {name}", expected_maximum(left, order).a_customer, reference=reference))
    bills = table["MonthlyCharges"].to_numpy() * MONTHS * KEPT
    return [*lines, *_short_of_money(left, scores["logistic"], Terms(value=bills))]


def _of(name: str, left: Numbers, probability: Numbers, reference: float, began: float) -> list[Line]:
    share = Acceptance().mean
    empc = expected_maximum(left, probability).a_customer
    low, high = _interval(left, probability, lambda a, b: expected_maximum(a, b).a_customer)
    lines = [
        Line(
            f"EMPC a customer, {name}", empc, low, high, reference, f"≥ {AT_LEAST}", empc >= AT_LEAST,
            perf_counter() - began,
        )
    ]  # fmt: skip
    for costs, terms in (("default", Terms()), ("tight", TIGHT)):
        actual = counted(left, probability, terms, share)
        size = foretold(*profit.leaving(probability, np.full(len(left), share)), terms).best.share
        sized, best, fixed = actual.at(size), actual.best, actual.at(0.3)
        tight = costs == "tight"
        lines += [
            Line(
                f"sized by the expected profit, {costs} costs, {name}: profit a customer", sized.a_customer,
                reference=best.a_customer, must="≥ 80 % of the best in hindsight",
                holds=sized.a_customer >= 0.8 * best.a_customer,
            ),
            Line(f"its share of the customers, {costs} costs, {name}", size, reference=best.share),
            Line(
                f"a fixed 30 %, {costs} costs, {name}: profit a customer", fixed.a_customer,
                reference=-0.39 if tight else None, must="loses money" if tight else "",
                holds=fixed.a_customer < 0 if tight else None,
            ),
            Line(f"a fixed 10 %, {costs} costs, {name}: profit a customer", actual.at(0.1).a_customer),
        ]  # fmt: skip
    return lines


def _short_of_money(left: Numbers, probability: Numbers, terms: Terms) -> list[Line]:
    """Values of their own: what ranking by expected profit brings over ranking by probability, or by return."""
    share = Acceptance().mean
    won, anyway = profit.leaving(probability, np.full(len(left), share))
    value, offer, contact = terms.of(len(left))
    earns, costs = (
        profit.earned(won, anyway, value, offer, contact),
        profit.spent(won, anyway, offer, contact),
    )
    budget = float(costs[earns > 0].sum()) / 4
    by_profit = counted(left, earns, terms, share)
    by_return = counted(left, earns / costs, terms, share)
    by_score = counted(left, probability, terms, share)
    return [
        Line(f"own values, {said}: profit a customer, best list", curve.within(budget=limit).a_customer)
        for limit, tail in ((None, ""), (budget, ", a quarter of the budget"))
        for said, curve in (
            (f"ranked by probability{tail}", by_score),
            (f"ranked by expected profit{tail}", by_profit),
            (f"ranked by profit ÷ spend{tail}", by_return),
        )
    ]


def _interval(
    left: Numbers, order: Numbers, figure: Callable[[Numbers, Numbers], float]
) -> tuple[float, float]:
    """The middle 95 % of the figure over customers drawn anew."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(RESAMPLES):
        drawn = random.integers(0, len(left), len(left))
        found.append(figure(left[drawn], order[drawn]))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def _read(data: Path) -> tuple[pl.DataFrame, Numbers]:
    """The customers without their ids, and who left. A customer of no months has paid nothing yet: blank is 0."""
    table = pl.read_csv(data / "telco.csv", infer_schema_length=None)
    paid = (
        pl.col("TotalCharges").cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False).fill_null(0)
    )
    left = (table["Churn"] == "Yes").to_numpy().astype(float)
    return table.drop("customerID", "Churn").with_columns(paid), left


def _logistic() -> Pipeline:
    columns = make_column_transformer(
        (StandardScaler(), list(NUMBERS)), remainder=OneHotEncoder(handle_unknown="ignore")
    )
    return make_pipeline(columns, LogisticRegression(max_iter=2_000))


def _boosting() -> Pipeline:
    unknown = {"handle_unknown": "use_encoded_value", "unknown_value": -1}
    columns = make_column_transformer(("passthrough", list(NUMBERS)), remainder=OrdinalEncoder(**unknown))
    model = HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=300, max_leaf_nodes=12, min_samples_leaf=40, l2_regularization=5,
        early_stopping=True, validation_fraction=0.15, random_state=0,
    )  # fmt: skip
    return make_pipeline(columns, model)
