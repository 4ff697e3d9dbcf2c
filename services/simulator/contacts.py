"""Customers get in touch: calls through queues, chat, app, shop, messages; again and again until it is solved."""

from dataclasses import dataclass

from services.simulator.draws import Draws
from services.simulator.life import Life
from services.simulator.shapes import (
    COMPLAINTS,
    OFFERS,
    OTHER_CHANNELS,
    REASONS,
    WORDS,
    Company,
    moment,
    talk,
    wait,
)
from services.simulator.spec import DAY
from services.simulator.telling import Data, Telling

AGENTS = 120
_AGAIN = {"resolved": 0.545, "unresolved": 0.755, "abandoned": 0.87}
"""How likely a contact is followed by another about the same, by how it ended."""
_GAP_DAYS = 1.2
_LONGEST_EPISODE = 12
_GRIEF = {"resolved": 0.0, "unresolved": 0.07, "abandoned": 0.1}
_SURVEYED, _OFFERED, _TAKES = 0.1, 0.12, 0.14
PROMISED_DAYS = 5


@dataclass(frozen=True, slots=True)
class Scene:
    """Where contacts happen: one customer, one stretch of time, and who is told of it."""

    life: Life
    draws: Draws
    company: Company
    telling: Telling
    start: int
    end: int


def episodes(scene: Scene, often: float) -> None:
    """All contacts of the stretch; `often` is how many times something makes the customer begin one."""
    for _ in range(scene.draws.count(often)):
        reason, queue = scene.draws.pick(REASONS)
        episode(scene, moment(scene.draws, scene.start, scene.end), reason, queue)


def episode(scene: Scene, at: int, reason: str, queue: str) -> None:
    """One matter: the first contact, and those that follow until it is solved or the customer gives up."""
    draws, life = scene.draws, scene.life
    complaining = draws.happens(COMPLAINTS.get(reason, 0.0) * (0.15 + life.temper * 2.0))
    digital = 0.03 + 0.5 * life.digital
    opened = 0
    for turn in range(_LONGEST_EPISODE):
        if draws.happens(digital):
            outcome = _written(scene, at, reason, complaining and turn == 0)
        else:
            outcome = call(scene, at, reason, queue, complaining and turn == 0)
        life.grief += _GRIEF[outcome]
        opened = opened or at
        if not draws.happens(_AGAIN[outcome]):
            break
        at = _next(draws, at)
        if at >= scene.end:
            break
    if complaining:
        _complaint(scene, opened, reason)


def _next(draws: Draws, at: int) -> int:
    """Most come again within days, at a busy hour."""
    day = (at + int(min(draws.exponential(_GAP_DAYS), 5.0) * DAY)) // DAY * DAY
    found = moment(draws, day, day + 2 * DAY)
    return found if found > at else at + 300 + int(draws.exponential(3_600.0))


def call(scene: Scene, at: int, reason: str, queue: str, complaining: bool = False) -> str:
    """One call: announcement, perhaps a queue, perhaps an answer. The outcome."""
    draws, life, telling = scene.draws, scene.life, scene.telling
    waited = wait(draws, scene.company.pressure(at), life.patience)
    name = f"call-{life.number}-{life.told + 1}"
    ivr = round(min(draws.lognormal(9.0, 0.6), 120.0))
    data: Data = {
        "channel": "voice", "direction": "inbound", "contact_id": name, "ivr_seconds": ivr,
        "wait_seconds": waited.seconds,
    }  # fmt: skip
    if waited.queued:
        data["queue"] = queue
    if waited.abandoned:
        outcome = "abandoned"
    else:
        seconds = talk(draws)
        solved = seconds >= 10 and draws.happens(0.45 if complaining else 0.66)
        outcome = "resolved" if solved else "unresolved"
        data |= {
            "talk_seconds": seconds, "wrap_up_seconds": round(min(draws.lognormal(35.0, 0.7), 900.0)), "reason": reason,
            "agent": f"agent-{draws.whole(AGENTS):03d}", "team": queue, "ring_seconds": 1 + draws.whole(9),
        }  # fmt: skip
        if seconds > 60 and draws.happens(0.2):
            data["hold_seconds"] = round(min(draws.exponential(45.0), seconds / 2))
        if complaining:
            data |= {"text": WORDS[reason], "signals": ["complaint"]}
    data["outcome"] = outcome
    if telling.parts:
        _parts(scene, at, queue, data)
    else:
        telling.tell(life, "touch.recorded", at, data, by="phone")
    if outcome != "abandoned":
        _after(scene, at + waited.seconds + data["talk_seconds"] + ivr, data)
    return outcome


def _parts(scene: Scene, at: int, queue: str, data: Data) -> None:
    """The same call as a switch tells it; what was said is in a touch of the same contact."""
    life, name = scene.life, data["contact_id"]

    def tell(type: str, when: float, **more: object) -> None:
        scene.telling.tell(life, type, when, {"contact_id": name, **more}, by="phone")

    at += data["ivr_seconds"]
    tell("contact.started", at, channel="voice", direction="inbound")
    if "queue" in data:
        tell("contact.queued", at, queue=queue)
    at += data["wait_seconds"]
    if data["outcome"] == "abandoned":
        tell("contact.ended", at, outcome="abandoned", wait_seconds=data["wait_seconds"])
        return
    tell("contact.answered", at, agent=data["agent"], team=queue, wait_seconds=data["wait_seconds"])
    at += data["talk_seconds"]
    tell("contact.ended", at, outcome=data["outcome"], talk_seconds=data["talk_seconds"])
    if "text" in data:
        said = {key: data[key] for key in ("channel", "direction", "contact_id", "reason", "text", "signals")}
        scene.telling.tell(life, "touch.recorded", at, said, by="phone")
    tell("contact.wrapped_up", at + data["wrap_up_seconds"], agent=data["agent"], reason=data["reason"],
         outcome=data["outcome"], seconds=data["wrap_up_seconds"])  # fmt: skip


def _written(scene: Scene, at: int, reason: str, complaining: bool) -> str:
    """One contact on another channel."""
    draws, life = scene.draws, scene.life
    channel = draws.pick(OTHER_CHANNELS)
    outcome = "resolved" if draws.happens(0.45 if complaining else 0.62) else "unresolved"
    data: Data = {
        "channel": channel, "direction": "inbound", "contact_id": f"{channel}-{life.number}-{life.told + 1}",
        "reason": reason, "outcome": outcome,
    }  # fmt: skip
    if channel == "chat":
        data |= {"wait_seconds": round(min(draws.exponential(35.0), 900.0)), "bot": draws.happens(0.4)}
        data["talk_seconds"] = round(min(draws.lognormal(300.0, 0.7), 6_000.0))
    if channel == "store":
        data["site"] = f"store-{1 + draws.whole(25):02d}"
    if complaining:
        data |= {"text": WORDS[reason], "signals": ["complaint"]}
    # Shops tell of their day in the evening.
    known = (at // DAY + 1) * DAY - 3600 if channel == "store" else None
    by = "phone" if channel == "sms" else "account"
    scene.telling.tell(life, "touch.recorded", at, data, known if known is None else max(known, at), by)
    return outcome


def _after(scene: Scene, at: int, data: Data) -> None:
    """What may follow a talk: an offer in it, a question after it."""
    draws, life = scene.draws, scene.life
    if draws.happens(_OFFERED):
        offer(scene, at, draws.pick(OFFERS), _TAKES, "voice", data["agent"])
    if draws.happens(_SURVEYED):
        mean = 4.1 if data["outcome"] == "resolved" else 2.3
        score = round(draws.normal(mean - min(data["wait_seconds"], 400) / 300.0 - 0.5 * life.grief, 0.9))
        scene.telling.tell(life, "survey.answered", at + 120, {
            "question": "satisfaction", "method": "key_press", "phase": "at_end",
            "score": min(max(score, 1), 5), "scale": 5, "contact_id": data["contact_id"], "agent": data["agent"],
        }, by="phone")  # fmt: skip


def offer(scene: Scene, at: int, name: str, takes: float, channel: str, agent: str) -> None:
    """One offer is put to the customer, who answers."""
    draws, life = scene.draws, scene.life
    answer = "accepted" if draws.happens(takes) else "later" if draws.happens(0.2) else "declined"
    data: Data = {
        "presentation_id": f"offer-{life.number}-{life.told + 1}", "offer": name, "answer": answer,
        "channel": channel, "agent": agent,
    }  # fmt: skip
    if answer == "declined":
        data["why"] = "price" if draws.happens(0.3 + 0.5 * life.thrift) else "no_need"
    scene.telling.tell(life, "presentation.answered", at, data)


def _complaint(scene: Scene, at: int, reason: str) -> None:
    """A complaint is told when it is over: taken on at `at`, solved within the promise or not."""
    draws, life, telling = scene.draws, scene.life, scene.telling
    days = min(draws.lognormal(2.6, 0.8), 25.0)
    timely = days <= PROMISED_DAYS
    life.grief += 0.35 if timely else 0.75
    solved = at + int(days * DAY)
    telling.tell(life, "case.imported", at, {
        "case_id": f"case-{life.number}-{life.told + 1}", "kind": "complaint", "reason": reason, "status": "closed",
        "severity": "normal" if timely else "high", "timely": timely,
        "due_at": telling.moment(at + PROMISED_DAYS * DAY), "resolved_at": telling.moment(solved),
        "outcome": "solved" if draws.happens(0.8) else "explained", "signals": ["complaint"],
    }, known=solved)  # fmt: skip
