"""The plain list of all policies."""

from models.policies.opportunity import RouteCaptured

POLICIES = (RouteCaptured,)
