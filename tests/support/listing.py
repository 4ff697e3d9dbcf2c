"""Customers that a list can be built of: who bought, who is scored, what a company's rules allow."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from events.prediction import ChurnScored, ScoreReason
from infra.target_list.rows import frozen
from infra.workspace import Workspace
from models.domain.target_list import EVERYONE, ListRow
from models.ports import By, Write
from services.cli import listing
from tests.support.folding import fold
from tests.support.sending import account, email, item, phone, purchase, send

AS_OF = datetime(2025, 7, 1, tzinfo=UTC)
RULES = """
[retention]
offer = "loyalty_gesture"
channels = ["sms", "email"]
legal_basis = {sms = "contract", email = "contract"}
contact_cost = {sms = 0.05, email = 0.01}
holdout = 0.0

[win_back]
offer = "welcome_back"
legal_basis = {sms = "contract", email = "contract"}
"""


def score(
    workspace: Workspace, probabilities: Mapping[str, float], *, artifact: str = "churn-1",
    as_of: datetime = AS_OF, run: str = "run",
) -> None:  # fmt: skip
    """A model's word on customers, likeliest to leave first."""
    ranked = sorted(probabilities.items(), key=lambda pair: -pair[1])
    workspace.log.record_batch([
        (
            By(source=f"churn:{artifact}:{run}:{as_of.isoformat()}", source_id=customer, actor="touchstone score",
               origin="replay", customer=customer),
            [Write(stream="", expected=0, events=[(ChurnScored(
                run=run, artifact=artifact, as_of=as_of, horizon_days=180, probability=probability,
                rank=rank, of=len(ranked),
                reasons=(ScoreReason(feature="days since purchase", says="long ago", contribution=1.0),),
            ), as_of)])],
        )
        for rank, (customer, probability) in enumerate(ranked, start=1)
    ])  # fmt: skip


def regulars(workspace: Workspace, count: int = 6) -> list[str]:
    """Customers who bought last month, each with a phone and a mail address; the last ones spend most."""
    answers = send(workspace, *(
        purchase(f"{n}-{month}", account(str(n)), phone(f"+1 415 555 26{n:02d}"), email(f"c{n}@example.com"),
                 at=AS_OF - timedelta(days=30 * month), amount=str(100 + 10 * n))
        for n in range(count) for month in (1, 2, 3)
    ))  # fmt: skip
    return list(dict.fromkeys(answer.customer for answer in answers))


def prepared(workspace: Workspace, count: int = 6) -> list[str]:
    """Regulars, scored and folded."""
    customers = regulars(workspace, count)
    score(workspace, dict.fromkeys(customers, 0.6))
    fold(workspace)
    return customers


def two_of_them(workspace: Workspace) -> list[str]:
    """Two customers, one known by a phone and one by a mail address, scored and folded."""
    answers = send(workspace, *(
        purchase(f"of-{who['kind']}", who, at=AS_OF - timedelta(days=5), amount="300")
        for who in (phone(), email())
    ))  # fmt: skip
    customers = [answer.customer for answer in answers]
    score(workspace, dict.fromkeys(customers, 0.6), as_of=AS_OF - timedelta(hours=1))
    fold(workspace)
    return customers


def withdraw(number: int, at: datetime, **said: Any) -> dict[str, Any]:
    """A customer's no, brought in with the history, or live if it is of later."""
    return item(
        f"no-{number}", account(str(number)), type="consent.withdrawn", at=at, basis="call", **said,
        origin="live" if at > AS_OF + timedelta(days=30) else "import",
    )  # fmt: skip


def with_rules(workspace: Workspace, **settings: Any) -> Workspace:
    """The workspace with other rules for retention."""
    rules = msgspec.structs.replace(
        workspace.rules, retention=msgspec.structs.replace(workspace.rules.retention, **settings)
    )
    return type(workspace)(**{**vars(workspace), "rules": rules})


def all_rows(workspace: Workspace, list_id: str) -> list[ListRow]:
    """Every frozen row, in canonical order."""
    with workspace.engine.connect() as connection:
        return [row for _, row in frozen(connection, list_id, EVERYONE, limit=100_000)]


def commands(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`touchstone list`, on this workspace."""
    for name, value in {
        "DATABASE_URL": workspace.settings.database_url, "VAULT_URL": workspace.settings.vault_url,
        "TOUCHSTONE_VAR": str(workspace.settings.var), "KAFKA_BOOTSTRAP": "",
        "TOUCHSTONE_WORKSPACE": str(workspace.settings.workspace or ""),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(listing.console, "_width", 200)
    return lambda *arguments: CliRunner().invoke(listing.app, [str(one) for one in arguments])
