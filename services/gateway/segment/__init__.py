"""The door for the SDKs that a company has already: those of Segment, RudderStack and PostHog, as they are."""

from services.gateway.segment.mapping import Dialect
from services.gateway.segment.routes import install

__all__ = ["Dialect", "install"]
