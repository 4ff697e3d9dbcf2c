"""The page's tables, and beside most of them a picture of the same figures."""

from collections.abc import Sequence

from ml.evaluation import BINS, Bin, Figures
from ml.model import BASELINE
from ml.reports import pictures
from ml.reports.grid import Grid, Picture, between, count, day, percent, percent_between
from ml.reports.money import SHARES, Money
from ml.reports.slices import Judged, Slice
from ml.reports.why import Example, FamilyTold
from ml.training import Evaluation, Trained

RECENCY = "recency alone"
TERMS = (
    ("AUC", "the chance that a customer who left is ranked above one who stayed; 0.5 is guessing"),
    ("AP", "average precision: how pure the top of the list is; guessing gives the share that left"),
    ("lift10", "share that left in the likeliest tenth, divided by the share in all; 1 is guessing"),
    (
        "ECE",
        "expected calibration error: how far the probability lies beside the share that left; 0 is exact",
    ),
    ("Brier", "mean squared error of the probability; lower is better"),
    (
        "foretold − left",
        "mean probability minus the share that left; 0 is exact, above 0 too many are foretold",
    ),
    ("log odds", "the scale on which pushes add up; 0.7 doubles the odds of leaving"),
    (
        "interval",
        "the middle 95 % of a bootstrap over customers, in brackets behind a figure; of a share, Wilson's",
    ),
)


def base_rates(told: Sequence[Slice]) -> Picture:
    """The share that left, by cut."""
    known = [(one, one.base_rate) for one in told if one.base_rate]
    title = "Share that left, by month of the cut"
    grid = Grid(
        title,
        "Active customers; the treated are left out where enough others are there. The last cut judges.",
        ("cut", "customers", "left", "share that left", "treated"),
        tuple(
            (day(one.cut), count(one.customers), count(one.left), percent_between(rate), count(one.treated))
            for one, rate in known
        ),
    )  # fmt: skip
    svg = pictures.shares_over_time(
        title, [day(one.cut) for one, _ in known], [(r.value, r.low, r.high) for _, r in known]
    )
    return Picture(grid, svg)


def by_slice(trained: Trained, told: Sequence[Slice]) -> Picture:
    """AUC, AP, lift and calibration at every cut, the champion's beside those of recency alone."""
    title, names = "AUC by time slice", _names(trained)
    rows = tuple(
        (day(one.cut), "other customers" if one.taught else "an earlier time",
         *_side_by_side([one.by_model.get(kind) for kind in names]))
        for one in told
    )  # fmt: skip
    heads = tuple(
        head
        for figure in ("AUC", "AP", "lift10", "ECE")
        for head in (figure, *(["recency"] * (len(names) - 1)))
    )
    grid = Grid(
        title,
        "At the training cuts each row is foretold by models that saw no row of the same customer, but others of the "
        "same months: easier than to foretell a later time. Only the judge cut, the last, does that. "
        + ("Beside each figure is that of recency alone." if len(names) > 1 else ""),
        ("cut", "learnt from", *heads), rows, (0, 1),
    )  # fmt: skip
    drawn = {
        name: [one.by_model[kind].auc if kind in one.by_model else None for one in told]
        for kind, name in names.items()
    }
    return Picture(grid, pictures.by_cut(title, [day(one.cut) for one in told], drawn, up="AUC"))


def at_judge(trained: Trained, judged: Judged) -> Grid:
    """The champion and recency alone at the judge cut, with intervals."""
    rows = []
    for kind, name in _names(trained).items():
        sure, figures = judged.sure[kind], trained.judgement.of(kind).active
        rows.append((
            name, between(sure["auc"]), between(sure["ap"]), between(sure["lift10"], 2), between(sure["gap"]),
            f"{figures.ece:.3f}",
        ))  # fmt: skip
    return Grid(
        "At the judge cut, with intervals",
        f"{count(len(judged.rows))} active customers, of whom {count(judged.known)} also taught at an earlier cut, "
        "with the label of that time. The calibration error has no interval: resampling always makes it larger.",
        ("model", "AUC", "AP", "lift10", "foretold − left", "ECE"), tuple(rows),
    )  # fmt: skip


def candidates(trained: Trained) -> Grid:
    """All candidates at the judge cut: on the active customers, and on the whole file."""
    rows = []
    for told in _ordered(trained):
        for who, figures in (("active", told.active), ("everyone", told.everyone)):
            rows.append((_name(trained, told.candidate), who, count(figures.population), percent(figures.base_rate),
                         *_figures(figures), f"{figures.brier:.4f}"))  # fmt: skip
    return Grid(
        "Every candidate at the judge cut",
        "Everyone also holds those who have been silent for long: that they stay away is easily foretold.",
        ("model", "population", "customers", "left", "AUC", "AP", "lift10", "ECE", "Brier"), tuple(rows), (0, 1),
    )  # fmt: skip


def calibration(trained: Trained) -> Picture:
    """Foretold beside actual shares at the judge cut."""
    title = "Does the probability hold?"
    told = {name: trained.judgement.of(kind).reliability for kind, name in _names(trained).items()}
    by_tenth = {
        name: {int(min(one.foretold, 0.999) * BINS): one for one in bins} for name, bins in told.items()
    }
    rows = tuple(
        (
            f"{10 * tenth} to {10 * tenth + 10} %",
            *(cell for some in by_tenth.values() for cell in _bin(some.get(tenth))),
        )
        for tenth in range(BINS)
        if any(tenth in some for some in by_tenth.values())
    )
    grid = Grid(
        title, "On the thin line foretold and actual shares are equal; below it too many are foretold."
        + (" The last three columns are recency alone." if len(told) > 1 else ""),
        ("probability", *(("foretold", "left", "customers") * len(told))), rows,
    )  # fmt: skip
    points = {name: [(one.foretold, one.left) for one in bins] for name, bins in told.items()}
    return Picture(grid, pictures.pairs(title, points, across="probability foretold", up="share that left"))


def gains(trained: Trained) -> Picture:
    """The part of all leavers in the likeliest part of the customers."""
    title = "How many leavers does a list find?"
    told = {name: trained.judgement.of(kind) for kind, name in _names(trained).items()}
    shares = next(iter(told.values())).shares
    shown = [place for place, share in enumerate(shares) if round(100 * share) % 10 == 0]
    grid = Grid(
        title, "The thin line is a list drawn by lot.", ("customers listed", *told),
        tuple((percent(shares[i], 0), *(percent(one.gains[i], 0) for one in told.values())) for i in shown), (),
    )  # fmt: skip
    drawn = {name: [one.gains[i] for i in shown] for name, one in told.items()}
    svg = pictures.lines(
        title, [shares[i] for i in shown], drawn, across="share of customers listed", up="share of leavers found",
        share=True, diagonal=True,
    )  # fmt: skip
    return Picture(grid, svg)


def profit_curve(trained: Trained, earns: Money) -> Picture:
    """What lists of each length would have earned a customer."""
    title = "What does a list of this length earn?"
    names = _names(trained)
    grid = Grid(
        title, "Money a customer of the whole population, counted by who really left.",
        ("customers listed", *names.values()),
        tuple(
            (percent(share, 1 if 0 < share < 0.1 else 0), *(_money(earns.curves[kind][i]) for kind in names))
            for i, share in enumerate(SHARES)
        ), (),
    )  # fmt: skip
    drawn = {name: earns.curves[kind] for kind, name in names.items()}
    svg = pictures.lines(title, SHARES, drawn, across="share of customers listed", up="profit a customer")
    return Picture(grid, svg)


def lists(earns: Money) -> Grid:
    """Lists that one could think of, and what they would have earned."""
    told = [
        ("to where the probability says it stops paying", earns.planned),
        ("best afterwards (nobody knew it then)", earns.best),
        ("fixed at a tenth", earns.tenth),
        ("everybody", earns.everybody),
        ("by recency alone, best afterwards", earns.recency_best),
    ]
    return Grid(
        "Lists, and what they would have earned", "Each is cut from the champion's order, unless it says otherwise.",
        ("list", "customers", "share of all", "profit", "profit a customer"),
        tuple((name, count(one.listed), percent(one.share), _money(one.profit), _money(one.a_customer))
              for name, one in told),
    )  # fmt: skip


def families(told: Sequence[FamilyTold]) -> Picture:
    """What the champion goes by."""
    title = "What the champion goes by"
    grid = Grid(
        title, "How far each family of features moves a customer's log odds from the usual customer's, on average.",
        ("family", "what it is about", "mean push", "part of all", "its strongest feature", "which way"),
        tuple(
            (one.family, one.says, f"{one.push:.2f}", percent(one.share, 0),
             f"{one.meaning} ({one.strongest})", one.way)
            for one in told
        ), (0, 1, 4, 5),
    )  # fmt: skip
    return Picture(grid, pictures.bars(title, {one.family: one.share for one in told}))


def examples(told: Sequence[Example]) -> Grid:
    """Six customers without a name."""
    return Grid(
        "Six customers, and why", "Reasons are those that push the way the score goes, the strongest first.",
        ("", "rank", "probability", "why", "came of it"),
        tuple(
            (one.where, f"{count(one.rank)} of {count(one.of)}", percent(one.probability),
             "; ".join(one.reasons) or "as usual in everything", "left" if one.left else "stayed")
            for one in told
        ), (0, 3, 4),
    )  # fmt: skip


def treated(trained: Trained, told: Sequence[Slice]) -> Grid:
    """The judge cut without and with those whom we tried to keep."""
    rows = []
    for kind, name in _names(trained).items():
        evaluation = trained.judgement.of(kind)
        for who, figures in (("without", evaluation.active), ("with", evaluation.treated_too)):
            rows.append(
                (name, who, count(figures.population), percent(figures.base_rate), *_figures(figures))
            )
    number = told[-1].treated
    says = (
        f"{count(number)} active customers were treated in the judge's window."
        if number
        else "Nobody active was treated in the judge's window, so that both are the same."
    )
    return Grid(
        "Without and with the treated", says,
        ("model", "treated", "customers", "left", "AUC", "AP", "lift10", "ECE"), tuple(rows), (0, 1),
    )  # fmt: skip


def _side_by_side(told: Sequence[Figures | None]) -> list[str]:
    """AUC, AP, lift and calibration error, of each model in turn; words where there are too few."""
    written = [_figures(one) if one else ("too few",) * 4 for one in told]
    return [cell for figure in zip(*written, strict=True) for cell in figure]


def _bin(one: Bin | None) -> tuple[str, str, str]:
    return (percent(one.foretold), percent(one.left), count(one.customers)) if one else ("–", "–", "0")


def _names(trained: Trained) -> dict[str, str]:
    """The models that are compared: the champion, and recency alone where that is another."""
    kind = trained.model.kind
    return {kind: _name(trained, kind), BASELINE: RECENCY} if kind != BASELINE else {BASELINE: RECENCY}


def _name(trained: Trained, kind: str) -> str:
    if kind == BASELINE:
        return RECENCY
    return f"{kind} (champion)" if kind == trained.model.kind else kind


def _ordered(trained: Trained) -> list[Evaluation]:
    kind = trained.model.kind
    return sorted(
        trained.judgement.evaluations, key=lambda one: (one.candidate != kind, one.candidate == BASELINE)
    )


def _figures(one: Figures) -> tuple[str, str, str, str]:
    return f"{one.auc:.3f}", f"{one.ap:.3f}", f"{one.lift10:.2f}", f"{one.ece:.3f}"


def _money(amount: float) -> str:
    return f"{amount:,.2f}"
