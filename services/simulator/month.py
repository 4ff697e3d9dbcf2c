"""A month in the life of one customer: use, bills, what goes wrong, and whether they go or come back."""

from collections.abc import Iterator

from services.simulator.campaigns import Campaign, assign, takes
from services.simulator.contacts import Scene, call, episode, episodes
from services.simulator.life import bill, leaving_intensity, return_intensity
from services.simulator.secret import Assignment
from services.simulator.shapes import CURRENCY, PLANS
from services.simulator.spec import DAY, Spec

_UPHEAVALS = ("moved", "competitor", "price", "family")
_UPHEAVAL = 0.025
_NAMES = (
    "Ada",
    "Ben",
    "Cleo",
    "Dan",
    "Eve",
    "Finn",
    "Gil",
    "Hana",
    "Ivo",
    "Jun",
    "Kai",
    "Lea",
    "Mo",
    "Nia",
    "Ola",
    "Pia",
)
_FAMILY = (
    "Adler",
    "Brook",
    "Cole",
    "Dorn",
    "Ellis",
    "Frost",
    "Grove",
    "Hale",
    "Inge",
    "Jansen",
    "Kerr",
    "Lund",
)


def month(scene: Scene, campaign: Campaign | None, spec: Spec) -> Iterator[Assignment]:
    """Live through scene.start to scene.end; what the company hears goes to the scene's telling."""
    life = scene.life
    if life.joined_at >= scene.end:
        return
    if life.joined_at >= scene.start:
        join(scene)
        scene = _from(scene, life.joined_at)
    elif campaign is not None and takes(campaign, life, scene.start):
        yield assign(campaign, scene, spec)
    if life.active:
        _stay(scene)
    else:
        _away(scene)


def join(scene: Scene) -> None:
    """They become a customer: who they are, what they allow, what they have."""
    life, draws, telling, at = scene.life, scene.draws, scene.telling, scene.life.joined_at
    telling.tell(life, "customer.described", at, {
        "name": f"{_NAMES[draws.whole(16)]} {_FAMILY[draws.whole(12)]}", "language": "en",
        "birthday": f"{1945 + draws.whole(60)}-{1 + draws.whole(12):02d}-{1 + draws.whole(28):02d}",
    }, by="both")  # fmt: skip
    if life.consent:
        for channel in ("voice", "sms"):
            for purpose in ("retention", "win_back"):
                telling.tell(life, "consent.granted", at, {
                    "channel": channel, "purpose": purpose, "basis": "consent", "proof": f"form-{life.number}",
                })  # fmt: skip
    _start(scene, at, at + life.term if life.term else 0)
    for ends in range(at + 2 * life.term, life.contract_end + 1, life.term or 1):
        telling.tell(life, "holding.changed", ends - life.term - 10 * DAY, {
            "holding_id": life.holding_id, "ends_at": telling.moment(ends),
        })  # fmt: skip


def _from(scene: Scene, start: int) -> Scene:
    return Scene(scene.life, scene.draws, scene.company, scene.telling, start, scene.end)


def _start(scene: Scene, at: int, ends: int) -> None:
    life = scene.life
    data = {
        "holding_id": life.holding_id, "product": life.plan.name, "price": f"{life.plan.price:.2f}",
        "currency": CURRENCY,
    }  # fmt: skip
    if ends:
        data["ends_at"] = scene.telling.moment(ends).isoformat()
    scene.telling.tell(life, "holding.started", at, data)


def _stay(scene: Scene) -> None:
    life, draws = scene.life, scene.draws
    goes = _going(scene)
    if goes:
        scene = Scene(life, draws, scene.company, scene.telling, scene.start, goes)
    upheaval = _upheaval(scene)
    shocked = _use(scene)
    episodes(scene, life.rate * (1.0 + 0.5 * min(life.grief, 2.0) + (0.8 if shocked else 0.0)))
    if goes:
        _leave(scene, goes)
        return
    _contract(scene)
    life.grief *= 0.72
    life.upheaval = max(life.upheaval * 0.6, upheaval)
    tired = 0.14 * life.grief + 0.18 * life.upheaval
    life.drift = min(0.9, max(0.0, life.drift * 0.85 + tired + draws.normal(0.0, 0.03)))


def _going(scene: Scene) -> int:
    """When they leave in this stretch, or 0. Within a campaign's window that is settled already."""
    life, end = scene.life, scene.end
    if life.due_at:
        return life.due_at if life.due_at < end else 0
    start = max(scene.start, life.window_end)
    at = start + int(scene.draws.exponential(30.0 / leaving_intensity(life, start)) * DAY)
    return max(at, start + 3600) if at < end else 0


def _upheaval(scene: Scene) -> float:
    """Something happens in their life that may make them go; the company hears of little of it."""
    draws, life = scene.draws, scene.life
    if not draws.happens(_UPHEAVAL):
        return 0.0
    life.why = _UPHEAVALS[draws.whole(4)]
    if life.why == "moved" and draws.happens(0.7):
        at = int(draws.between(scene.start, scene.end))
        episode(scene, at, "address.change", "service")
    return draws.between(0.8, 2.0)


def _use(scene: Scene) -> bool:
    """A month's use is metered and billed. True where the bill is a shock."""
    life, draws, telling = scene.life, scene.draws, scene.telling
    billed = scene.start // DAY * DAY + life.bill_day * DAY
    if billed >= scene.end:
        return False
    gigabytes = round(life.use * (1.0 - life.drift) * draws.lognormal(1.0, 0.25), 2)
    minutes = round(max(life.plan.minutes, 150.0) * 0.4 * (1.0 - life.drift) * draws.lognormal(1.0, 0.4), 1)
    visits = float(draws.count(0.5 + 25.0 * life.digital * (1.0 - life.drift)))
    used = (("data", gigabytes, "GB"), ("voice", minutes, "minutes"), ("app", visits, "visits"))
    for service, quantity, unit in used:
        telling.tell(life, "usage.recorded", billed, {
            "service": service, "quantity": quantity, "unit": unit, "holding_id": life.holding_id,
        }, known=billed + 6 * 3600)  # fmt: skip
    amount = bill(life, gigabytes)
    name = f"bill-{life.number}-{life.told + 1}"
    due = billed + 14 * DAY
    telling.tell(life, "bill.issued", billed + 8 * 3600, {
        "bill_id": name, "amount": f"{amount:.2f}", "currency": CURRENCY, "due_at": telling.moment(due),
    })  # fmt: skip
    late = draws.happens(0.03 + 0.7 * life.thrift**2)
    paid = due + int(draws.exponential(6.0) * DAY) if late else due - int(draws.between(0.5, 13.0) * DAY)
    telling.tell(life, "bill.paid", paid, {"bill_id": name, "amount": f"{amount:.2f}", "currency": CURRENCY})
    shocked = amount > 1.5 * life.plan.price and draws.happens(0.6)
    if shocked:
        life.grief += 0.15 + 0.35 * life.thrift
    return shocked


def _contract(scene: Scene) -> None:
    """Some change the plan for one that fits, some sign again when the term ends."""
    life, draws, telling = scene.life, scene.draws, scene.telling
    at = int(draws.between(scene.start, scene.end))
    if bill(life, life.use) > 1.6 * life.plan.price and life.plan is not PLANS[-1] and draws.happens(0.15):
        life.plan = PLANS[PLANS.index(life.plan) + 1]
        telling.tell(life, "holding.changed", at, {
            "holding_id": life.holding_id, "product": life.plan.name, "price": f"{life.plan.price:.2f}",
            "currency": CURRENCY,
        })  # fmt: skip
    ends = life.contract_end
    if ends and ends - at < 45 * DAY and draws.happens(0.14 * (1.4 - life.thrift)):
        life.contract_end = max(ends, at) + 360 * DAY
        telling.tell(life, "holding.changed", at, {
            "holding_id": life.holding_id, "ends_at": telling.moment(life.contract_end),
        })  # fmt: skip


def _leave(scene: Scene, at: int) -> None:
    """Many call first; then it ends."""
    life, draws, telling = scene.life, scene.draws, scene.telling
    why = life.why if life.upheaval else "service" if life.grief > 0.5 else "price"
    asked = max(scene.start, at - 600 - int(draws.exponential(1.5) * DAY))
    if draws.happens(0.55):
        call(
            Scene(life, draws, scene.company, telling, scene.start, at), asked, "contract.cancel", "retention"
        )
        telling.tell(life, "holding.cancel_requested", asked, {"holding_id": life.holding_id, "reason": why})
    telling.tell(life, "holding.ended", at, {"holding_id": life.holding_id, "why": why})
    life.left_at, life.why, life.due_at, life.window_end = at, why, 0, 0


def _away(scene: Scene) -> None:
    """They are somewhere else, and may come back: settled already within a campaign's window."""
    life, draws, end = scene.life, scene.draws, scene.end
    if life.due_at:
        at = life.due_at
    else:
        first = max(scene.start, life.window_end, life.left_at + 15 * DAY)
        at = first + int(draws.exponential(30.0 / return_intensity(life, first)) * DAY)
    if at >= end:
        return
    life.left_at = life.due_at = life.window_end = 0
    life.grief, life.drift, life.upheaval, life.why = life.grief * 0.3, 0.0, 0.0, ""
    life.returned, life.holding = life.returned + 1, life.holding + 1
    life.term = 360 * DAY if draws.happens(0.6) else 0
    life.contract_end = at + life.term if life.term else 0
    _start(scene, at, life.contract_end)
    episodes(Scene(life, draws, scene.company, scene.telling, at, end), life.rate * (end - at) / (30 * DAY))
