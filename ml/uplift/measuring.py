"""What a draw brought: all who were drawn against all who were held out, contacted or not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.uplift.effect import Estimate, average_effect, planned_error, smallest_effect


@dataclass(frozen=True)
class Brought:
    """Shares that stayed (or came back), their difference, and money.

    `effect` is a share, `smallest` the least true one that so many would have shown in 80 of 100 draws. `earned` is
    money in the whole for those who were drawn: the value of those who stayed, less what was spent, against the
    value of the held-out who did; its interval has the chance of both in it.
    """

    drawn: int
    held_out: int
    kept_drawn: float
    kept_held_out: float
    effect: Estimate
    smallest: float
    earned: Estimate


def brought(
    kept: np.ndarray, held_out: np.ndarray, value: np.ndarray, spent: np.ndarray, persons: np.ndarray
) -> Brought:
    """Compare the arms of one draw: a row a customer, `persons` numbered from 0. Both arms have at least two rows."""
    drawn, even = ~held_out, np.ones(len(kept))
    effect = average_effect(kept.astype(float), drawn, even, persons)
    money = average_effect(kept * value - spent, drawn, even, persons).interval()
    many = int(drawn.sum())
    return Brought(
        drawn=many, held_out=int(held_out.sum()), kept_drawn=float(kept[drawn].mean()),
        kept_held_out=float(kept[held_out].mean()), effect=effect.interval(), smallest=effect.smallest_shown,
        earned=Estimate(money.value * many, money.low * many, money.high * many),
    )  # fmt: skip


def to_be_shown(probability: Sequence[float], drawn: int, held_out: int) -> float | None:
    """The least true effect that a draw of this size will show, where customers leave (or come back) so likely.

    None where nobody is drawn for either arm.
    """
    if drawn < 1 or held_out < 1 or not probability:
        return None
    share = float(np.mean(probability))
    return smallest_effect(planned_error(float(np.sqrt(share * (1 - share))), drawn, held_out))
