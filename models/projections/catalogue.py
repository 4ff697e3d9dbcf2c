"""The plain list of all projections, and how they are made with a company's rules."""

from models.domain.rules import Rules
from models.projections.contact import Contacts
from models.projections.customer_360 import Customer360
from models.projections.lifecycle import LifecycleView
from models.projections.pipeline import Pipeline
from models.projections.projection import Projection
from models.projections.timeline import Timeline

PROJECTIONS: tuple[type[Projection], ...] = (Timeline, Contacts, Customer360, LifecycleView, Pipeline)


def projections(rules: Rules, zone: str = "UTC") -> tuple[Projection, ...]:
    """All of them, under these rules."""
    return (Timeline(), Contacts(), Customer360(zone), LifecycleView(rules.lifecycle), Pipeline())
