"""Campaigns: whom the company takes, whom chance treats or holds out, and what the treatment does to them.

Who would leave is settled at the moment of assignment, from what is so at that moment: the intensity stays as it is
until the window's end, times the customer's factor if they are reached. So both probabilities are exact.
"""

from typing import NamedTuple

from services.simulator.contacts import Scene, offer
from services.simulator.draws import Draws
from services.simulator.life import FACTOR, RETURN_FACTOR, Life, leaving_intensity, return_intensity
from services.simulator.secret import Assignment, CampaignPurpose
from services.simulator.shapes import OFFICE_HOURS, leaving
from services.simulator.spec import DAY, Spec
from services.simulator.telling import account

WINDOW_DAYS = 90
ATTEMPT_DAYS = 3
"""All are tried within these days, and nobody leaves before."""
_PROPENSITY = {"basic": 0.5, "standard": 0.6, "premium": 0.7}
"""Chance treats so many of each plan; the rest are held out."""
_REACHED = {"sms": 0.92, "voice": 0.7}


class Campaign(NamedTuple):
    """One wave: for what, with which treatment (how strong it is), over which channel."""

    name: str
    purpose: CampaignPurpose
    treatment: str
    strength: float
    channel: str


_RETENTION = (("discount-20", 1.0, "sms"), ("device-upgrade", 0.8, "voice"), ("extra-data", 0.6, "sms"))
_WIN_BACK = (("come-back-30", 1.0, "voice"), ("free-month", 0.7, "sms"))


def planned(month: int, spec: Spec) -> Campaign | None:
    """The wave that begins with this month; every third is for retention, and win-back follows two later.

    None begins whose window the world does not see to its end.
    """
    if spec.month(month) + WINDOW_DAYS * DAY > spec.month(spec.months):
        return None
    if month >= 3 and month % 3 == 0:
        treatment, strength, channel = _RETENTION[(month // 3 - 1) % len(_RETENTION)]
        return Campaign(f"retention-{month:02d}", "retention", treatment, strength, channel)
    if month >= 5 and month % 3 == 2:
        treatment, strength, channel = _WIN_BACK[(month // 3 - 1) % len(_WIN_BACK)]
        return Campaign(f"win-back-{month:02d}", "win_back", treatment, strength, channel)
    return None


def takes(campaign: Campaign, life: Life, at: int) -> bool:
    """Is the customer one of those for whom the campaign is, by what the company can see?"""
    # Three months may have a day less than the window before: whoever is not about to go may be taken then.
    if not life.consent or life.due_at or life.window_end > at + 2 * DAY:
        return False
    if campaign.purpose == "win_back":
        return not life.active and at - life.left_at < 365 * DAY
    if not life.active or at - life.joined_at < 60 * DAY:
        return False
    ending = life.contract_end - at < 120 * DAY
    return ending or life.grief > 0.25 or life.drift > 0.15


def assign(campaign: Campaign, scene: Scene, spec: Spec) -> Assignment:
    """Chance decides; the customer's course in the window is settled; those to be treated are tried."""
    life, draws, at = scene.life, scene.draws, scene.start
    retention = campaign.purpose == "retention"
    factors = FACTOR if retention else RETURN_FACTOR
    intensity = leaving_intensity(life, at) if retention else return_intensity(life, at)
    factor = factors[life.kind] ** (campaign.strength * spec.effect)
    propensity, reach = _PROPENSITY[life.plan.name], _REACHED[campaign.channel]
    held_out = not draws.happens(propensity)
    reached = draws.happens(reach) and not held_out
    untouched, touched = leaving(intensity, WINDOW_DAYS), leaving(intensity * factor, WINDOW_DAYS)
    probability = touched if reached else untouched
    # One draw for both worlds: who leaves though treated is among those who leave untreated, or the other way round.
    place = draws.share()
    happened = place < probability
    life.window_end = at + WINDOW_DAYS * DAY
    life.due_at = 0
    if happened:
        # Within the window time runs evenly enough; nobody leaves while the attempts are still being made.
        share = place / probability
        life.due_at = at + int((ATTEMPT_DAYS + share * (WINDOW_DAYS - ATTEMPT_DAYS)) * DAY)
    telling = scene.telling
    telling.assigned(life, at, {
        "campaign": campaign.name, "purpose": campaign.purpose, "treatment": campaign.treatment, "held_out": held_out,
        "propensity": propensity, "until": telling.moment(life.window_end),
    })  # fmt: skip
    if not held_out:
        _attempt(campaign, scene, reached)
    return Assignment(
        account=account(life), kind=life.kind, campaign=campaign.name, purpose=campaign.purpose,
        treatment=campaign.treatment, assigned_at=telling.moment(at), until=telling.moment(life.window_end),
        propensity=propensity, held_out=held_out, reached=reached, probability_held_out=untouched,
        probability_treated=reach * touched + (1.0 - reach) * untouched, probability_reached=touched,
        happened=happened, happened_at=telling.moment(life.due_at) if happened else None,
    )  # fmt: skip


def _attempt(campaign: Campaign, scene: Scene, reached: bool) -> None:
    """One try on the campaign's channel, and what came of it."""
    life, draws, telling = scene.life, scene.draws, scene.telling
    day = scene.start // DAY + 1 + draws.whole(ATTEMPT_DAYS - 1)
    at = day * DAY + draws.pick(OFFICE_HOURS) * 3600 + draws.whole(3600)
    name, agent = f"try-{life.number}-{life.told + 1}", _caller(draws)
    voice = campaign.channel == "voice"
    made = {
        "attempt_id": name,
        "channel": campaign.channel,
        "campaign": campaign.name,
        "offer": campaign.treatment,
    }
    answered = {"attempt_id": name, "outcome": _outcome(voice, reached)}
    contact = f"out-{life.number}-{life.told + 1}"
    if voice:
        made["agent"] = answered["agent"] = agent
        if reached:
            answered["contact_id"] = contact
    telling.tell(life, "attempt.made", at, made)
    telling.tell(life, "attempt.answered", at + 45, answered)
    if not reached:
        return
    if voice:
        seconds = round(min(draws.lognormal(150.0, 0.6), 3_000.0))
        telling.tell(life, "touch.recorded", at + 45, {
            "channel": "voice", "direction": "outbound", "contact_id": contact, "campaign": campaign.name,
            "agent": agent, "talk_seconds": seconds, "outcome": "resolved",
        }, by="phone")  # fmt: skip
    if voice or draws.happens(0.3):
        likes = 0.45 if life.kind == "persuadable" else 0.25 if life.kind == "sure" else 0.08
        offer(scene, at + 400 if voice else at + 2 * 3600, campaign.treatment, likes, campaign.channel, agent)


def _caller(draws: Draws) -> str:
    return f"agent-{draws.whole(20):03d}"


def _outcome(voice: bool, reached: bool) -> str:
    if voice:
        return "reached" if reached else "no_answer"
    return "delivered" if reached else "failed"
