"""The page a reader is given of a training: whole by itself, hard on itself, and naming nobody."""

import re
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from ml import model as fitting
from ml.artifacts import Artifact, Card, save
from ml.evaluation import Interval
from ml.histories import Histories
from ml.kit import OURS, Kit
from ml.labels import LABELS
from ml.model import BASELINE, CANDIDATES
from ml.profit import Acceptance, Terms
from ml.reports.changes import changes, features_changed
from ml.reports.limits import not_for, verdict
from ml.reports.page import page
from ml.reports.slices import slices
from ml.training import Trained, fit, train
from models.errors import Refused


@pytest.fixture(scope="module")
def artifact(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return save(tmp_path_factory.mktemp("artifacts"), trained, code="1234567")


@pytest.fixture(scope="module")
def card(artifact: Artifact) -> Card:
    return artifact.card


@pytest.fixture(scope="module")
def html(trained: Trained, card: Card) -> str:
    return page(trained, card)


def words(html: str) -> str:
    """What is read, without pictures and looks."""
    told = re.sub(r"<style>.*?</style>|<svg.*?</svg>|<head>.*?</head>", " ", html, flags=re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", told).split())


def section(html: str, name: str) -> str:
    return words(html.split(f'<section id="{name}">')[1].split("</section>")[0])


def judged_as(trained: Trained, **changed: object) -> Trained:
    return replace(trained, judgement=msgspec.structs.replace(trained.judgement, **changed))


def test_the_page_needs_nothing_else_and_runs_nothing(html):
    for foreign in (
        "<script",
        "http:",
        "https:",
        "://",
        "url(",
        "@import",
        " src=",
        "xmlns",
        "<link",
        "onload",
    ):
        assert foreign not in html
    assert "default-src 'none'" in html


def test_it_is_the_same_to_the_byte_whatever_the_customers_are_called(
    told, spec, trained, card, html, tmp_path: Path
):
    renamed = {f"{number:x}": history for number, history in enumerate(reversed(told.values()))}
    again = train(Histories.of(renamed), spec)
    assert page(again, save(tmp_path, again, code="1234567").card) == html


def test_it_can_be_made_again_out_of_the_artifact_and_its_rows(trained, artifact, html):
    read = artifact.card
    put_together = Trained(
        spec=read.spec, model=artifact.model, judgement=read.judgement, dataset=trained.dataset
    )  # fmt: skip
    assert page(put_together, read) == html


def test_no_customer_is_named(html):
    assert "customer-" not in html


def test_every_picture_has_a_title_and_its_figures_in_a_table_behind_it(html):
    pictures = re.findall(r"<svg.*?</svg>", html, flags=re.S)
    assert len(pictures) == 6
    assert all(
        re.match(r'<svg[^>]* role="img" aria-label="[^"]+"><title>[^<]+</title>', one) for one in pictures
    )
    behind = re.split(r"</svg>", html)[1:]
    assert all("<tbody>" in one.split("<svg")[0] for one in behind)


def test_a_champion_that_is_better_is_told_with_its_interval_and_beside_recency(trained, html):
    gain = trained.judgement.gain
    assert words(html).startswith("Who will leave? The report of a training The champion (")
    assert f"{gain.value:.3f} ({gain.low:.3f} to {gain.high:.3f})" in words(html)
    assert "recency alone" in section(html, "figures")


def test_a_gain_that_may_be_chance_is_the_first_thing_said(trained, card):
    doubtful = judged_as(trained, gain=Interval(value=0.002, low=-0.01, high=0.02))
    told = words(page(doubtful, card))
    assert told.startswith(
        "Who will leave? The report of a training Nothing is shown to be better than recency alone."
    )


def test_a_champion_that_is_worse_than_recency_is_told_so(trained):
    worse = judged_as(trained, gain=Interval(value=-0.03, low=-0.05, high=-0.01))
    is_better, said = verdict(worse)
    assert not is_better
    assert "is worse than recency alone" in said


def test_where_recency_alone_wins_the_page_says_first_that_nothing_is_better(trained, card, spec):
    left_alone = trained.dataset.at(spec.train_cuts)
    recency = fitting.fit(CANDIDATES[0], left_alone, seed=spec.seed)
    won = replace(
        judged_as(trained, champion=BASELINE, gain=Interval(value=0, low=0, high=0)), model=recency
    )  # fmt: skip
    told = page(won, card)
    assert words(told).startswith(
        "Who will leave? The report of a training Nothing is better than recency alone."
    )
    assert "No model beat recency alone" in section(told, "not-for")


def test_it_says_which_figures_come_from_customers_the_model_had_not_seen(html, spec):
    told = section(html, "figures")
    assert told.count("other customers") == len(spec.train_cuts)
    assert "at an earlier cut, with the label of that time" in told
    assert f"{spec.judge_cut:%Y-%m-%d} an earlier time" in told


def test_examples_are_six_with_reasons_and_what_came_of_them(html):
    told = section(html, "examples")
    assert [told.count(f"{where} ") for where in ("highest", "middle", "lowest")] == [2, 2, 2]
    assert " ago" in told


def test_assumed_terms_are_told_as_assumed_and_given_ones_are_not(trained, card, html):
    assert "These terms are assumed, nobody gave them" in section(html, "money")
    given = page(
        trained, card, terms=Terms(value=60, offer_cost=15, contact_cost=3), acceptance=Acceptance(2, 8)
    )
    told = section(given, "money")
    assert "assumed" not in told
    assert "is worth 60.00, an offer costs 15.00 wherever it is taken, a contact 3.00" in told
    assert "keeps 20 %" in told


def test_terms_that_differ_by_customer_are_refused(trained, card):
    with pytest.raises(Refused, match="one value and one cost"):
        page(trained, card, terms=Terms(value=np.array([1.0, 2.0])))


def test_a_world_without_treated_customers_says_so_and_one_with_them_shows_both(trained, spec, card, html):
    assert "Nobody active was treated" in section(html, "treated")
    dataset = trained.dataset
    judge = dataset.cuts == dataset.cuts.max()
    some = replace(dataset, treated=judge & dataset.active & (np.arange(len(dataset)) % 4 == 0))
    told = page(fit(some, spec), card)
    number = int(some.treated.sum())
    assert f"{number} active customers were treated" in section(told, "treated")
    assert "Customers who are being looked after" in section(told, "not-for")
    active = int((judge & dataset.active).sum())
    assert f"without {active - number} " in section(told, "treated")
    assert f"with {active} " in section(told, "treated")


def test_where_next_to_nobody_was_left_alone_the_treated_are_in_the_figures_and_it_is_told(trained, spec):
    everybody = replace(trained.dataset, treated=trained.dataset.cuts == trained.dataset.cuts.max())
    judged_with_them = replace(trained, dataset=everybody)
    told, judged = slices(judged_with_them, OURS)
    because = dict(not_for(judged_with_them, OURS, told, judged))
    assert "the treated are in all figures" in because["Customers whom you leave alone"]


def test_a_short_history_and_few_leavers_are_among_what_not_to_use_it_for(html):
    told = section(html, "not-for")
    assert "less than two years" in told
    assert "customers left at the judge cut" in told
    assert "within the horizon" in told


def test_the_first_release_has_none_before_it(html):
    assert "This is the first release" in section(html, "changes")


def test_what_changed_since_the_last_release_is_told_line_by_line(trained, card):
    fewer = msgspec.structs.replace(
        card, id="churn-0000", features=card.features[1:], definition_hash="another", code="0000000",
        spec=msgspec.structs.replace(card.spec, population_days=180),
    )  # fmt: skip
    told = section(page(trained, card, earlier=fewer), "changes")
    assert f"artifact churn-0000 {card.id} changed" in told
    assert f"features it looks at {len(card.features) - 1} {len(card.features)} changed" in told
    assert f"Looked at now and not before: {card.features[0].name}." in told
    assert "What the features mean, or how they are computed, has changed." in told
    assert "cannot be set side by side" in told
    assert "neither is shown to be the better one" in told


def test_the_same_release_again_has_changed_nothing(card):
    told = changes(card, card)
    assert "nothing changed" in told.says
    assert told.rows == ()
    assert features_changed(card, card) == []


def test_what_others_wrote_is_escaped(trained, card):
    label = replace(LABELS["no_activity"], meaning="<img src=x onerror=alert(1)>")
    told = page(trained, card, kit=Kit(labels={**LABELS, "no_activity": label}))
    assert "<img" not in told
    assert "&lt;img" in told


def test_a_champion_chosen_where_it_is_judged_is_told_in_the_first_sentence(trained):
    lucky = judged_as(trained, chosen_on_judge_cut=True, chosen_at=trained.spec.judge_cut)
    assert verdict(lucky)[1].endswith("It was chosen at that same cut, so that this is a trifle too good.")
