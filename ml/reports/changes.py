"""What is other than in the release before."""

from typing import TYPE_CHECKING

from ml.model import BASELINE
from ml.reports.grid import Grid, between, count, day, percent
from ml.training import Evaluation

if TYPE_CHECKING:  # an artifact may keep its report beside it, and then knows us
    from ml.artifacts import Card

TITLE = "The release before, and this one"


def changes(earlier: "Card | None", card: "Card") -> Grid:
    """Each thing that a card says, before and now; without an earlier card no rows, and a sentence that says so."""
    columns = ("", "before", "now", "")
    if earlier is None:
        return Grid(
            TITLE, "This is the first release: there is none to compare it with.", columns, (), (0, 1, 2, 3)
        )
    if earlier.id == card.id:
        return Grid(TITLE, "The release before is this one: nothing changed.", columns, (), (0, 1, 2, 3))
    rows = [
        (name, before, now, "" if before == now else "changed")
        for (name, before), (_, now) in zip(_told(earlier), _told(card), strict=True)
    ]
    return Grid(TITLE, _says(earlier, card), columns, tuple(rows), (0, 1, 2, 3))


def features_changed(earlier: "Card | None", card: "Card") -> list[str]:
    """Which features the champion looks at that it did not, and the other way round. A sentence each."""
    if earlier is None:
        return []
    before, now = ({one.name for one in some.features} for some in (earlier, card))
    found = []
    if now - before:
        found.append(f"Looked at now and not before: {', '.join(sorted(now - before))}.")
    if before - now:
        found.append(f"Looked at before and not now: {', '.join(sorted(before - now))}.")
    if earlier.definition_hash != card.definition_hash:
        found.append("What the features mean, or how they are computed, has changed.")
    if earlier.own_digest != card.own_digest:
        found.append("The files of one's own (features, labels, candidates) have changed.")
    return found


def _told(card: "Card") -> list[tuple[str, str]]:
    spec, judgement = card.spec, card.judgement
    champion, baseline = judgement.of(judgement.champion).active, judgement.of(BASELINE).active
    return [
        ("artifact", card.id),
        ("data", f"{day(spec.data_start)} to {day(spec.data_end)}"),
        ("judged at", day(spec.judge_cut)),
        ("question", f"{spec.label} within {spec.horizon_days} days"),
        ("champion", "recency alone" if judgement.champion == BASELINE else judgement.champion),
        ("features it looks at", count(len(card.features))),
        ("customers", count(card.customers)),
        ("share that left", percent(champion.base_rate)),
        ("AUC", f"{champion.auc:.3f}"),
        ("AUC of recency alone", f"{baseline.auc:.3f}"),
        ("AUC above recency", between(judgement.gain)),
        ("average precision", f"{champion.ap:.3f}"),
        ("lift in the top tenth", f"{champion.lift10:.2f}"),
        ("calibration error", f"{champion.ece:.3f}"),
        ("code", card.code[:12] + ("-dirty" if card.code.endswith("-dirty") and len(card.code) > 12 else "")),
        ("libraries", ", ".join(f"{name} {which}" for name, which in sorted(card.libraries.items()))),
    ]


def _says(earlier: "Card", card: "Card") -> str:
    before, now = earlier.judgement.gain, card.judgement.gain
    if _same_question(earlier, card):
        told = "Both were judged on the same question at the same cut."
    else:
        told = (
            "They were judged on other customers or another question, so that their AUC cannot be set side by side: "
            "what may be compared is how far each is above recency alone."
        )
    if now.low > before.high:
        return f"{told} This release is further above recency than the one before."
    if now.high < before.low:
        return f"{told} This release is less far above recency than the one before: look why before you promote it."
    return f"{told} Their intervals overlap: neither is shown to be the better one."


def _same_question(earlier: "Card", card: "Card") -> bool:
    asked = ("judge_cut", "label", "horizon_days", "population_days")
    same = all(getattr(earlier.spec, name) == getattr(card.spec, name) for name in asked)
    return same and _customers(earlier) == _customers(card)


def _customers(card: "Card") -> tuple[int, float]:
    told: Evaluation = card.judgement.of(card.judgement.champion)
    return told.active.population, told.active.base_rate
