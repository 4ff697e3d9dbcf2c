"""The people who serve: what they are doing, what they can do, where they belong."""

from typing import Literal

from events.envelope import Event
from events.registry import event
from events.vocabulary import Code, Count, Moment, Name

AgentState = Literal["ready", "busy", "wrap_up", "break", "outbound", "offline"]


@event("agent.state_changed", door="facts", key="agent", by="switch, agent desktop")
class AgentStateChanged(Event):
    """An agent began to do something else; they do it until the next change."""

    agent: Name
    state: AgentState
    why: Code | None = None
    contact_id: Name | None = None


@event("agent.skill_certified", door="facts", key="agent", by="training, quality desk")
class AgentSkillCertified(Event):
    """An agent showed that they master a skill at this level, until the certificate expires."""

    agent: Name
    skill: Code
    level: Count
    language: Name | None = None
    expires_at: Moment | None = None


@event("agent.team_joined", door="facts", key="agent", by="workforce planning")
class AgentTeamJoined(Event):
    """An agent belongs to this team from now on; what they did before stays with the earlier one."""

    agent: Name
    team: Name
    site: Name | None = None
    vendor: Name | None = None
