"""A small *generated* corporate desk: what the real files cannot show, driven through the public doors."""

import time
from typing import Any

import httpx
from msgspec import Struct

SOURCE = "desk"
WAIT_SECONDS = 60.0


class Case(Struct, frozen=True):
    """One generated opportunity: who, what for, what it may bring, and what the desk did about it."""

    company: str
    subject: str
    value: int
    steps: tuple[str, ...] = ()


_BEGUN = ("accept", "follow-up")
_QUALIFIED = (*_BEGUN, "stage:qualified")
_PROPOSED = (*_QUALIFIED, "stage:proposal")

CASES = (
    Case("harbour-freight", "leased_line.100m", 24_000, (*_PROPOSED, "won")),
    Case("north-clinic", "leased_line.50m", 12_000, _PROPOSED),
    Case("old-mill", "leased_line.50m", 12_000, (*_QUALIFIED, "lost:price")),
    Case("river-bakery", "office.phones", 3_600, _QUALIFIED),
    Case("blue-taxi", "fleet.sim", 9_000, (*_PROPOSED, "stage:negotiation")),
    Case("stone-works", "fleet.sim", 6_400, _BEGUN),
    Case("green-grocer", "office.phones", 2_400, (*_QUALIFIED, "won")),
    Case("sun-hotel", "leased_line.1g", 54_000, (*_PROPOSED, "stage:negotiation")),
    Case(
        "mountain-school", "office.phones", 4_800, (*_QUALIFIED, "lost:no_budget", "reopen", "stage:proposal")
    ),
    Case("lake-printing", "leased_line.50m", 12_000),
    Case("city-archive", "office.phones", 1_800, ("accept",)),
    Case("east-depot", "home_internet", 700, _QUALIFIED),
)
"""lake-printing and city-archive are never called back: their follow-ups are missed."""

NEGLECTED = 2


class DeskFailed(RuntimeError):
    """The desk did not get where it should; the message says which opportunity, and what was waited for."""


def run(gateway: httpx.Client, api: httpx.Client) -> None:
    """Record a call of each company, capture what it is about, and let the desk work.

    Every request has an id of its own, so a second run finds everything done and adds nothing.
    """
    for number, case in enumerate(CASES):
        touch = _call(gateway, number, case)
        body = {"subject": case.subject, "value": case.value, "currency": "EUR", "touch_id": touch}
        found = _post(api, "/v1/opportunities", f"{SOURCE}-{number}", body)
        one = found["opportunity_id"]
        _wait(api, one, "routed to a department", lambda state: bool(state["department"]))
        for place, step in enumerate(case.steps):
            verb, _, word = step.partition(":")
            path = f"/v1/opportunities/{one}/{verb}"
            _post(api, path, f"{SOURCE}-{number}-{place}", _words(verb, word, case))
    _wait_for_missed(api)


def _call(gateway: httpx.Client, number: int, case: Case) -> str:
    item = {
        "type": "touch.recorded", "source": SOURCE, "source_id": f"call-{number}",
        "identifiers": [
            {"kind": "account", "issuer": SOURCE, "value": f"C-{1000 + number}"},
            {"kind": "email", "value": f"office@{case.company}.example"},
        ],
        "data": {"channel": "voice", "direction": "inbound", "reason": f"sales.{case.subject}",
                 "outcome": "callback", "agent": "a-17"},
    }  # fmt: skip
    answer = gateway.post("/v1/touches", json=item)
    answer.raise_for_status()
    result = answer.json()["results"][0]
    if result["verdict"] not in ("accepted", "duplicate"):
        raise DeskFailed(f"the call of {case.company} was {result['verdict']}: {result.get('code')}")
    return str(result["event_id"])


def _words(verb: str, word: str, case: Case) -> dict[str, Any]:
    match verb:
        case "accept":
            return {"owner": "a-71"}
        case "stage":
            return {"stage": word}
        case "won":
            return {"value": case.value, "currency": "EUR"}
        case "lost":
            return {"why": word}
    return {}


def _post(api: httpx.Client, path: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = api.post(path, json=body, headers={"Idempotency-Key": key})
    if answer.status_code >= 400:
        raise DeskFailed(f"{path} answered {answer.status_code}: {answer.text[:200]}")
    found: dict[str, Any] = answer.json()
    return found


def _wait(api: httpx.Client, one: str, what: str, reached: Any) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        answer = api.get(f"/v1/opportunities/{one}")
        if answer.status_code == 200 and reached(answer.json()):
            return
        if time.monotonic() > deadline:
            raise DeskFailed(f"opportunity {one} was not {what} within {WAIT_SECONDS:.0f} s")
        time.sleep(0.1)


def _wait_for_missed(api: httpx.Client) -> None:
    """The clock of the two that nobody calls back runs out within seconds; a sweep records it."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        board = api.get("/v1/pipeline", params={"department": "corporate"}).json()
        if sum(one["missed"] > 0 for one in board["overdue"]["first"]) >= NEGLECTED:
            return
        if time.monotonic() > deadline:
            raise DeskFailed("no missed follow-up was recorded")
        time.sleep(0.2)
