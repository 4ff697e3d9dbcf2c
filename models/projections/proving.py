"""Who a customer proved to be, as their view holds it: each proof with everybody who was one when it was passed."""

import msgspec

from events.envelope import Envelope
from models.domain.verification import Proof, proof_of
from models.projections.customer_360_row import Customer360Row


def tried(row: Customer360Row, envelope: Envelope) -> Customer360Row:
    """Somebody proved who they are, or failed to: a failure takes no proof away.

    What ran out by now, and what proves no more than this one does, need not be kept.
    """
    side = row.survivor(envelope.customer)
    proof = proof_of(envelope, (side, *row.one_with(side)))
    if proof is None:
        return row
    kept = (one for one in row.proofs if one.expires_at > proof.at and not _less(one, proof))
    return msgspec.structs.replace(row, proofs=(*kept, proof))


def _less(one: Proof, proof: Proof) -> bool:
    return (
        one.level <= proof.level and one.expires_at <= proof.expires_at and set(one.sides) <= set(proof.sides)
    )
