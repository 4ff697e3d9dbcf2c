"""What a demo run found out: everything the screen, the summary and the report show."""

from datetime import datetime
from typing import Any

from msgspec import Struct

from ml.training import ChurnSpec, Judgement


class SourceResult(Struct, frozen=True, kw_only=True):
    """One file, sent through the gateway. The five counters add up; `as_of` is the day after its last event."""

    name: str
    about: str
    received: int
    accepted: int
    duplicates: int
    refused: int
    quarantined: int
    customers: int
    as_of: datetime
    events_per_second: float
    warnings: dict[str, int]
    explained: list[str]
    stages: dict[str, int]


class ListRow(Struct, frozen=True, kw_only=True):
    """A member as it is shown on the screen."""

    rank: int
    customer: str
    probability: float
    value: str
    channel: str
    offer: str
    because: list[str]


class ListResult(Struct, frozen=True, kw_only=True):
    """A published list: candidates = members + holdout + suppressed + beyond."""

    purpose: str
    id: str
    new: bool
    candidates: int
    members: int
    holdout: int
    suppressed: int
    beyond: int
    left_out: dict[str, int]
    rows: list[ListRow]
    files: list[str]


class MonthCount(Struct, frozen=True, kw_only=True):
    """How often something happened in a month of a source."""

    source: str
    month: datetime
    what: str
    count: int


class DemoResult(Struct, frozen=True, kw_only=True):
    """One run of the demo. `seconds` has start, ingest, project, train, lists; `rates` events a second by stage."""

    kafka: bool
    sources: list[SourceResult]
    purchases: int
    calls: int
    won: int
    lost: int
    open: int
    stages: dict[str, int]
    months: list[MonthCount]
    customer: dict[str, Any]
    timeline: list[dict[str, Any]]
    pipeline: dict[str, Any]
    desk: dict[str, Any]
    spec: ChurnSpec
    judgement: Judgement
    artifact: str
    scored: int
    lists: list[ListResult]
    legal_basis: dict[str, dict[str, str]]
    seconds: dict[str, float]
    rates: dict[str, float]
    urls: dict[str, str]
    subscribe: str
