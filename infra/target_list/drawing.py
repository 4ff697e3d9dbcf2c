"""Who was drawn for a list and who for its hold-out, told as facts, so that what the list brought can be measured."""

from datetime import datetime, timedelta

from events.campaign import CampaignAssigned
from events.target_list import TargetListMeasured, TargetListPublished
from infra.database import unavailable
from infra.target_list.rows import frozen
from infra.target_list.terms import treatment
from infra.workspace import Workspace
from models.domain.target_list import ListRow, window
from models.ports import By, Write

ACTOR = "touchstone list build"


def draw(workspace: Workspace, published: TargetListPublished, at: datetime) -> None:
    """Record each member's and each held-out customer's `campaign.assigned`, the list being the campaign.

    A list without a hold-out shows nothing and draws nobody. A repeat records nothing.
    """
    if not published.holdout or not published.members:
        return
    propensity = published.members / (published.members + published.holdout)
    until = measured_until(published)
    after = 0
    while page := _page(workspace, published.list_id, after):
        after = page[-1][0]
        workspace.log.record_batch([
            (
                By(source=f"target_list:{published.list_id}", source_id=f"drawn:{row.customer}", actor=ACTOR,
                   customer=row.customer),
                [Write(stream="", expected=0, events=[(
                    CampaignAssigned(
                        campaign=published.list_id, purpose=published.purpose, treatment=treatment(row.offer),
                        held_out=row.part == "holdout", propensity=propensity, until=until,
                    ), at,
                )])],
            )
            for _, row in page
        ])  # fmt: skip


def measured_until(published: TargetListPublished) -> datetime:
    """When it is looked what became of everybody drawn."""
    begin, _ = window(published.as_of, 1)
    return begin + timedelta(days=int(published.definition["measure_days"]))


def measured(workspace: Workspace, list_id: str) -> TargetListMeasured | None:
    """What was recorded of a list when its time was over; None before that."""
    events = (one.event for one in workspace.log.stream(f"target_list-{list_id}"))
    return next((one for one in events if isinstance(one, TargetListMeasured)), None)


def _page(workspace: Workspace, list_id: str, after: int) -> list[tuple[int, ListRow]]:
    with unavailable(), workspace.engine.connect() as connection:
        return frozen(connection, list_id, ["member", "holdout"], after=after)
