"""What the view of a customer holds of their cases: which are open, and every complaint with its end."""

import msgspec

from events.envelope import Envelope
from models.projections.customer_360_row import Complaint, Customer360Row


def opened(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    """A case was taken on, or one of the past was told, as open or over."""
    event = envelope.event
    over = getattr(event, "status", "open") in ("resolved", "closed")
    if event.kind == "complaint":
        settled = (getattr(event, "resolved_at", None) or envelope.occurred_at) if over else None
        row = _with_complaint(row, Complaint(
            case_id=event.case_id, reason=event.reason, since=envelope.occurred_at, event_id=envelope.event_id,
            settled_at=settled,
        ))  # fmt: skip
    return row if over else _open(row, event.case_id, event.reason)


def reopened(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    """What was over is open again."""
    case = envelope.event.case_id
    for one in row.complaints:
        if one.case_id == case:
            row = _with_complaint(row, msgspec.structs.replace(one, settled_at=None))
    return _open(row, case, row.open_cases.get(case, ""))


def over(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    """A case was solved, or closed without; a complaint is settled by whichever came first."""
    case = envelope.event.case_id
    for one in row.complaints:
        if one.case_id == case and one.settled_at is None:
            row = _with_complaint(row, msgspec.structs.replace(one, settled_at=envelope.occurred_at))
    left = {one: reason for one, reason in row.open_cases.items() if one != case}
    return msgspec.structs.replace(row, open_cases=left)


def _open(row: Customer360Row, case: str, reason: str) -> Customer360Row:
    return msgspec.structs.replace(row, open_cases={**row.open_cases, case: reason})


def _with_complaint(row: Customer360Row, complaint: Complaint) -> Customer360Row:
    known = {one.case_id: one for one in row.complaints}
    known[complaint.case_id] = complaint
    return msgspec.structs.replace(row, complaints=tuple(known.values()))
