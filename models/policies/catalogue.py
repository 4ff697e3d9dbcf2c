"""The plain list of all policies."""

from models.policies.opportunity import RouteCaptured
from models.policies.policy import Policy

POLICIES: tuple[type[Policy], ...] = (RouteCaptured,)
