"""A captured opportunity goes to the department that can close it."""

from events.envelope import Envelope
from events.opportunity import OpportunityCaptured
from models.domain.opportunity import RouteOpportunity
from models.policies.policy import Policy, Reaction


class RouteCaptured(Policy):
    """Routes by the subject, as the rules say; the follow-up clock begins with it."""

    name = "opportunity"
    matches = frozenset({OpportunityCaptured})

    def react(self, envelope: Envelope) -> list[Reaction]:
        """One routing command for each captured opportunity; whoever routed it before is not overruled."""
        one = envelope.event.opportunity_id
        command = RouteOpportunity(opportunity_id=one, now=envelope.recorded_at, unless_routed=True)
        return [Reaction(stream=f"opportunity-{one}", command=command)]
