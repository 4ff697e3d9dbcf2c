"""The opportunity pipeline: one row an opportunity, with its stages as intervals."""

from collections.abc import Mapping

from events.envelope import Envelope
from models.domain.opportunity import FOLDED, INITIAL, Opportunity, evolve
from models.projections.projection import Projection


class PipelineRow(Opportunity, frozen=True, kw_only=True, omit_defaults=True):
    """An opportunity's state with the system it came from."""

    source: str = ""


class Pipeline(Projection[PipelineRow]):
    """The board: every opportunity in the stage it is in, and those it was in before."""

    name, generation, row = "pipeline", 1, PipelineRow
    nobodys = True
    matches = FOLDED

    def key(self, envelope: Envelope, owner: str) -> str:
        """One row an opportunity."""
        return str(envelope.event.opportunity_id)

    def apply(self, row: PipelineRow | None, envelope: Envelope, owner: str) -> PipelineRow:
        """The decider's own evolve; a board and a decision never disagree on the state."""
        state = evolve(row or INITIAL, envelope)
        source = row.source if row else envelope.source
        return PipelineRow(
            **{name: getattr(state, name) for name in Opportunity.__struct_fields__}, source=source
        )

    def columns(self, row: PipelineRow) -> Mapping[str, object]:
        """What the board groups by, and the clock the sweep looks for."""
        return {
            "stage": row.stage, "department": row.department, "value": row.value, "source": row.source,
            "next_due_at": row.due_at,
        }  # fmt: skip
