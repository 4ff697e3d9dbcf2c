"""What a model is not good for, and whether it is better than nothing: sentences out of its judgement and its data."""

from collections.abc import Sequence

from ml.kit import Kit
from ml.model import BASELINE
from ml.reports.grid import between, count, percent
from ml.reports.judgement import caveats
from ml.reports.slices import Judged, Slice
from ml.training import Trained

FEW_LEAVERS, WIDE, OFF, MANY_TREATED, MOVED = 200, 0.1, 0.05, 0.1, 0.25
"""Leavers at the judge cut; width of the AUC's interval; calibration error; share treated; change of the base rate."""
YEAR = 365


def verdict(trained: Trained) -> tuple[bool, str]:
    """Whether it is proven better than recency alone, and the sentence that comes first."""
    gain, champion = trained.judgement.gain, trained.judgement.champion
    if champion == BASELINE:
        return False, (
            "Nothing is better than recency alone. No candidate ranked the leavers better than the days since the "
            "last purchase or use do: a list by this model is a list of the longest silent, and needs no model."
        )
    if gain.high < 0:
        return False, (
            f"The champion ({champion}) is worse than recency alone: its AUC is {between(gain)} above it. Do not use "
            "it; a list of the longest silent does better."
        )
    if gain.low <= 0:
        return False, (
            f"Nothing is shown to be better than recency alone. The champion ({champion}) is {between(gain)} above it "
            "in AUC, and that interval reaches 0: the gain may be chance."
        )
    chosen = " It was chosen at that same cut, so that this is a trifle too good."
    return True, (
        f"The champion ({champion}) ranks leavers better than recency alone: its AUC is {between(gain)} above it, "
        "at a later time than any it learnt from." + (chosen if trained.judgement.chosen_on_judge_cut else "")
    )


def not_for(trained: Trained, kit: Kit, told: Sequence[Slice], judged: Judged) -> list[tuple[str, str]]:
    """What not to use it for: what, and why. First what holds for every such model, then what these data add."""
    return [*_by_question(trained, kit, judged), *_by_data(trained, told, judged)]


def _by_question(trained: Trained, kit: Kit, judged: Judged) -> list[tuple[str, str]]:
    spec = trained.spec
    label = kit.labels[spec.label]
    found = [
        ("Another question", f"It foretells “{label.meaning}” in the {spec.horizon_days} days after a score, and "
         "nothing later or other than that."),
        ("Choosing whom an offer keeps", "It says who leaves, not who can be kept: the likeliest to leave are often "
         "those whom nothing keeps. For that measure an effect against a hold-out."),
        ("Finding causes", "A reason says what the model goes by. To change it need not change what the customer "
         "does."),
        ("A decision about one person", _of_the_likeliest(judged, trained.model.kind)),
        ("Other customers", "It has learnt from the customers of these data. In another country, trade or sales "
         "channel its probabilities are guesses."),
    ]  # fmt: skip
    if not label.everyone:
        found.insert(1, (
            "Customers who have long been silent",
            f"The figures are those of customers with a purchase or use in the {spec.population_days} days before "
            "the score. On the whole file they look better and mean less: that the silent stay silent is no news.",
        ))  # fmt: skip
    return found


def _of_the_likeliest(judged: Judged, kind: str) -> str:
    told = judged.probability[kind]
    tenth = max(1, len(told) // 10)
    stayed = 1 - float(judged.left[(-told).argsort(kind="stable")[:tenth]].mean())
    return (
        f"Of the likeliest tenth at the judge cut {percent(stayed, 0)} stayed. A probability is about a group of "
        "customers like this one; no customer may be worse off because of it alone."
    )


def _by_data(trained: Trained, told: Sequence[Slice], judged: Judged) -> list[tuple[str, str]]:
    spec, at_judge = trained.spec, told[-1]
    champion = trained.judgement.of(trained.model.kind).active
    found = [("Quoting the figures without this", sentence) for sentence in caveats(spec, trained.judgement)]
    days = (spec.data_end - spec.data_start).days
    if days < 2 * YEAR:
        found.append(("A season it has not seen twice", f"The data are {count(days)} days long: less than two "
                      "years, so that a season cannot be told from a trend."))  # fmt: skip
    leavers = int(judged.left.sum())
    if leavers < FEW_LEAVERS:
        found.append(("Small differences", f"Only {count(leavers)} customers left at the judge cut: two models, or "
                      "two months, must be far apart before it means anything."))  # fmt: skip
    auc = judged.sure[trained.model.kind]["auc"]
    if auc.high - auc.low > WIDE:
        found.append(("Quoting its AUC as one figure", f"It lies between {auc.low:.2f} and {auc.high:.2f}."))
    if champion.ece > OFF:
        gap = judged.sure[trained.model.kind]["gap"]
        where = (
            "too high"
            if gap.low > 0
            else "too low"
            if gap.high < 0
            else "off, in parts too high, in parts too low"
        )
        found.append(("Reckoning in money from the probability", f"It is {where}: {champion.ece:.3f} beside the truth "
                      "on average. The ranking may still be used."))  # fmt: skip
    everybody = at_judge.treated + at_judge.customers
    if judged.rows.treated.any():
        found.append(("Customers whom you leave alone", "Too few were left alone to be judged by themselves: the "
                      "treated are in all figures, and those who were saved look safe."))  # fmt: skip
    elif at_judge.treated and at_judge.treated / everybody > MANY_TREATED:
        found.append(("Customers who are being looked after", f"{percent(at_judge.treated / everybody)} of the active "
                      "were treated in the label's window and left out: the others may be another kind."))  # fmt: skip
    before = [one.base_rate.value for one in told[:-1] if one.base_rate]
    if before and at_judge.base_rate:
        usual, now = sum(before) / len(before), at_judge.base_rate.value
        if abs(now - usual) > MOVED * usual:
            found.append(("Taking the next months for granted", f"At the judge cut {percent(now)} left, at the "
                          f"training cuts {percent(usual)} on average: expect it to move again."))  # fmt: skip
    return found
