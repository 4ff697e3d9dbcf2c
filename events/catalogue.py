"""The plain list of the modules that define event types."""

from events import (
    agent,
    campaign,
    case,
    consent,
    contact,
    customer,
    feedback,
    holding,
    identity,
    lifecycle,
    offer,
    opportunity,
    prediction,
    schedule,
    target_list,
    touch,
)

MODULES = (
    touch, contact, identity, customer, consent, lifecycle, holding, agent, case, opportunity, offer, campaign,
    feedback, prediction, schedule, target_list,
)  # fmt: skip
