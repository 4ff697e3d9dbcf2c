"""What the rules of a list mean, in words that can be told to the customer's face."""

from collections.abc import Mapping

from models.domain.list_diff import MEMBER, NO_CANDIDATE

RULES: Mapping[str, str] = {
    MEMBER: "is on the list",
    "holdout": "was drawn for the hold-out: not contacted, so that the list's effect can be measured",
    "does_not_pay": "contacting them is not expected to earn what it costs",
    "over_capacity": "the list was full: others are expected to earn more",
    "over_budget": "the budget was spent on others who are expected to earn more",
    "open_complaint": "has an open complaint, which is answered before anything is offered",
    "consent_withdrawn": "said no to contact on every channel of the list",
    "suppressed": "is known by an identifier of somebody who asked to be forgotten",
    "not_reachable": "has no identifier that gets through on a channel that may be used",
    "no_legal_basis": "gave no consent, and the company names no legal basis for the list's channels",
    "merged": "turned out to be another member of the same list",
    "other_list": "another list that goes before this one has them",
    "held_out": "was held out of an earlier list or campaign for this purpose, whose effect is still being measured",
    "no_effect": "what the offer changes for customers like them has not been measured",
    "no_window": "there is no hour before the list expires at which the channel may be used where they are",
    "no_score": "the list's model had not scored them",
    "no_value": "nothing they bought or hold has a price in the list's currency",
    NO_CANDIDATE: "was not known then, or in no stage that the list is about, or of another population",
}
"""Rule → what it says of a customer."""


def in_words(rule: str) -> str:
    """A rule in words; one of a release that we do not know is told by its name."""
    return RULES.get(rule, rule.replace("_", " "))
