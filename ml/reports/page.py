"""The report of a training: one HTML page that needs nothing else, neither a script nor a network."""

from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ml.kit import OURS, Kit
from ml.model import BASELINE
from ml.profit import Acceptance, Terms
from ml.reports import changes, judging, limits, why
from ml.reports.grid import count, day, percent
from ml.reports.money import money
from ml.reports.slices import slices
from ml.training import Trained

if TYPE_CHECKING:  # an artifact may keep its report beside it, and then knows us
    from ml.artifacts import Card

FOLDER, TEMPLATE = Path(__file__).parent.parent / "templates", "training.html.j2"


def page(
    trained: Trained, card: "Card", *, earlier: "Card | None" = None, kit: Kit = OURS, terms: Terms | None = None,
    acceptance: Acceptance | None = None,
) -> str:  # fmt: skip
    """The page as HTML, the same to the byte for the same input. Everything but our own pictures is escaped.

    `trained` may be put together again out of an artifact and its rows. `card` is its own, `earlier` that of the
    release before it, `kit` the one it was trained with. Without `terms` and `acceptance` the published defaults
    stand, and the page says that they are assumed. Fits the champion five times more. Raises `Refused`
    (`report.terms`) for terms that differ by customer.
    """
    told, judged = slices(trained, kit)
    earns = money(judged, trained.model.kind, terms, acceptance)
    families = why.families(trained.model, judged, kit)
    is_better, verdict = limits.verdict(trained)
    environment = Environment(
        loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(count=count, day=day, percent=percent)
    champion = trained.judgement.of(trained.model.kind)
    return environment.get_template(TEMPLATE).render(
        spec=trained.spec, card=card, judgement=trained.judgement, champion=champion.active,
        label=kit.labels[trained.spec.label],
        recency=trained.judgement.of(BASELINE).active,
        is_better=is_better, verdict=verdict, earns=earns,
        base_rates=judging.base_rates(told), by_slice=judging.by_slice(trained, told),
        at_judge=judging.at_judge(trained, judged), candidates=judging.candidates(trained),
        calibration=judging.calibration(trained), gains=judging.gains(trained),
        curve=judging.profit_curve(trained, earns), lists=judging.lists(earns),
        families=judging.families(families), examples=judging.examples(why.examples(trained.model, judged, kit)),
        treated=judging.treated(trained, told),
        changed=changes.changes(earlier, card), features_changed=changes.features_changed(earlier, card),
        not_for=limits.not_for(trained, kit, told, judged), terms=judging.TERMS,
    )  # fmt: skip
