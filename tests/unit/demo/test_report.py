"""The demo's report: complete, self-contained, and nothing in it can run."""

import re
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import pytest
from msgspec.structs import replace

from services.demo import report

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOSTILE = "<script>alert('x')</script>"
SECTIONS = ("came-in", "when", "life-cycle", "customer", "pipeline", "churn", "lists", "speed", "go-on")


@pytest.fixture(scope="module")
def html(result) -> str:
    return report.render(result, AT)


def section(html: str, name: str) -> str:
    """A section as a reader sees it: without tags, white space made single."""
    found = re.search(rf'<section id="{name}">(.*?)</section>', html, re.DOTALL)
    assert found, name
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", found[1])).split())


def test_every_section_is_there_and_the_navigation_leads_to_it(html):
    assert re.findall(r'<section id="([a-z-]+)">', html) == list(SECTIONS)
    assert re.findall(r'<a href="#([a-z-]+)">', html) == list(SECTIONS)


def test_the_file_needs_nothing_else(html):
    assert "<script" not in html
    assert not re.search(r"""(src|@import|url\()\s*=?\s*["']?https?:""", html)
    assert "<link" not in html


def test_every_picture_has_a_title_a_sentence_and_its_figures(html):
    pictures = re.findall(r"<figure>(.*?)</figure>", html, re.DOTALL)
    assert len(pictures) == 3 + 2 + 2
    for picture in pictures:
        assert re.search(r"<figcaption><strong>[^<]+</strong><br>[^<]+\.</figcaption>", picture)
        assert re.search(r'role="img" aria-label="[^"]+">\s*<svg', picture)
        assert re.search(r"<details>.*<table>.*</details>", picture, re.DOTALL)


def test_what_came_in_adds_up_and_says_what_was_assumed(html):
    said = section(html, "came-in")
    assert "in all 160,081 160,079 0 0 2" in said
    assert "received = accepted + duplicates + refused + quarantined" in said
    assert "the year follows from the order of the rows" in said
    assert "marked as assumed" in said
    assert "Warning odd_day: 2" in said


def test_sums_that_do_not_add_up_are_said_loudly(result):
    short = replace(result.sources[0], accepted=69000)
    one = replace(result.lists[0], members=1)
    html = report.render(replace(result, sources=[short], lists=[one]), AT)
    assert "The sums do NOT add up for cdnow" in section(html, "came-in")
    assert "The sums do NOT add up" in section(html, "lists")


def test_a_second_run_says_that_all_was_known(result):
    again = [replace(one, accepted=0, duplicates=one.received, quarantined=0) for one in result.sources]
    lists = [replace(one, new=False) for one in result.lists]
    html = report.render(replace(result, sources=again, lists=lists, rates={"views": 0.0}), AT)
    assert "everything had been recorded before" in section(html, "came-in")
    assert "this run found it unchanged and published nothing" in section(html, "lists")
    assert "views nothing new" in section(html, "speed")


def test_values_that_nobody_said_are_no_data(html):
    assert "won 5,289 no data no data 100.0 % 5,289" in section(html, "pipeline")
    assert "negotiation 2 63,000 EUR 0.5 no data 0" in section(html, "pipeline")
    assert "holdings no data" in section(html, "customer")


def test_an_empty_run_is_no_data_throughout(result):
    empty = replace(
        result, months=[], customer={}, timeline=[], lists=[], seconds={}, rates={},
        sources=[replace(one, stages={}) for one in result.sources],
    )  # fmt: skip
    html = report.render(empty, AT)
    for name in ("when", "life-cycle", "customer", "lists", "speed"):
        assert "no data" in section(html, name), name


def test_calls_without_sales_by_month_say_so(result):
    calls = [one for one in result.months if one.what != "won"]
    html = report.render(replace(result, months=calls), AT)
    assert "bank_campaigns, sales won a month: no data" in section(html, "when")


def test_the_baseline_stands_beside_the_champion_with_its_interval(html, result):
    said, gain = section(html, "churn"), result.judgement.gain
    assert f"95 % bootstrap interval {gain.low:+.3f} to {gain.high:+.3f}" in said
    assert said.count("recency alone") >= 3
    assert "Active within 120 days" in said
    assert "The whole file" in said


def test_caveats_are_told(result):
    chosen_late = replace(result.judgement, chosen_on_judge_cut=True)
    html = report.render(replace(result, judgement=chosen_late), AT)
    assert "a trifle too good" in section(html, "churn")


def test_the_legal_basis_is_a_setting_and_the_desk_is_generated(html):
    lists = section(html, "lists")
    assert "no consent recorded is not consent" in lists
    assert "is a setting of the demo workspace" in lists
    assert "retention post legitimate interest" in lists
    assert "win-back no channel nobody is contacted without a consent" in lists
    assert "A corporate desk generated" in section(html, "pipeline")
    assert "2 follow-ups are overdue." in section(html, "pipeline")


def test_whatever_a_file_holds_is_text(result):
    """Names, attributes, reasons and addresses come from outside; none of them becomes markup."""
    person = {**result.customer, "identity": {**result.customer["identity"]}}
    person["identity"]["identifiers"] = [
        {
            "kind": "account",
            "issuer": HOSTILE,
            "value": HOSTILE,
            "since": AT.isoformat(),
            "blocked": False,
            "facets": {},
        }
    ]
    happened = [{**result.timeline[0], "data": {"attributes": {HOSTILE: HOSTILE}}, "source": HOSTILE}]
    first = result.lists[0]
    row = replace(first.rows[0], because=[HOSTILE], value=HOSTILE, offer=HOSTILE)
    source = replace(
        result.sources[0], name=HOSTILE, about=HOSTILE, explained=[HOSTILE], warnings={HOSTILE: 1}
    )
    months = [replace(one, source=HOSTILE, what=HOSTILE) for one in result.months[:2]]
    hostile = replace(
        result, customer=person, timeline=happened, lists=[replace(first, rows=[row], files=[HOSTILE])],
        sources=[source], months=months, urls={HOSTILE: "javascript:alert(1)"}, subscribe=HOSTILE,
    )  # fmt: skip
    html = report.render(hostile, AT)
    assert "<script" not in html
    assert 'href="javascript' not in html
    assert HOSTILE in section(html, "customer")


def test_the_report_is_written_where_it_is_asked_for(result, html, tmp_path: Path):
    path = tmp_path / "var" / "report.html"
    report.write(result, path, AT)
    assert path.read_text(encoding="utf-8") == html
