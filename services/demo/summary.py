"""The run in one JSON object, for machines: the two real sources, the generated desk apart."""

import math
from collections.abc import Mapping
from typing import Any

from ml.reports import summary as churn_summary
from services.demo.result import DemoResult, ListResult, SourceResult

COUNTERS = ("received", "accepted", "duplicates", "refused", "quarantined", "customers")


def summary(result: DemoResult) -> dict[str, Any]:
    """The contents of summary.json. What is not known, or is no number, is null."""
    found: dict[str, Any] = _safe({
        **{name: sum(getattr(one, name) for one in result.sources) for name in COUNTERS},
        "purchases": result.purchases,
        "calls": result.calls,
        "opportunities": {"won": result.won, "lost": result.lost, "open": result.open},
        "by_source": {one.name: _source(one) for one in result.sources},
        "churn": {**churn_summary(result.spec, result.judgement), "artifact": result.artifact, "scored": result.scored},
        "lists": [_list(one) for one in result.lists],
        "stages": result.stages,
        "seconds": {name: round(took, 1) for name, took in result.seconds.items()},
        "rates": {name: round(rate) for name, rate in result.rates.items() if math.isfinite(rate)},
        "kafka": result.kafka,
    })  # fmt: skip
    return found


def _source(one: SourceResult) -> dict[str, Any]:
    return {
        **{name: getattr(one, name) for name in COUNTERS},
        "as_of": f"{one.as_of:%Y-%m-%d}",
        "stages": one.stages,
        "warnings": one.warnings,
    }


def _list(one: ListResult) -> dict[str, Any]:
    names = ("purpose", "id", "candidates", "members", "holdout", "suppressed", "beyond", "new", "left_out")
    return {name: getattr(one, name) for name in names}


def _safe(value: Any) -> Any:
    """JSON has no word for what is not finite."""
    match value:
        case Mapping():
            return {key: _safe(one) for key, one in value.items()}
        case list() | tuple():
            return [_safe(one) for one in value]
        case float() if not math.isfinite(value):
            return None
    return value
