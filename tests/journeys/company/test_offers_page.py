"""An offer's way on the running system, from its definition to the answer: docs/offers.md, line by line."""

import re

import pytest

from tests.support.system import ROOT, System

FOLDER = "/tmp/touchstone-offers"  # noqa: S108  # as the page has it


@pytest.fixture(scope="module")
def page(system: System, tmp_path_factory):
    """Runs the page's blocks in a folder of this test's own."""
    folder = tmp_path_factory.mktemp("offers")

    def run(name: str) -> str:
        text = (ROOT / "docs" / "offers.md").read_text()
        found = re.search(rf"<!-- run: {name} -->\n```bash\n(.*?)```\n", text, re.DOTALL)
        assert found, f"docs/offers.md has no block {name}"
        return system.shell(found.group(1).replace(FOLDER, str(folder)))

    return run


def test_an_offer_is_defined_proposed_with_its_reason_made_once_and_answered(system, page):
    assert "2 recorded: hk_day_pass, data_5gb" in page("define")

    proposed = page("propose")
    assert re.search(r"hk_day_pass +0\.300 +0\.6300 +0\.9500", proposed)
    assert "allowed by own_contact" in proposed
    assert "no offer: no_legal_basis" in proposed

    made = page("record")
    assert re.search(r"presentation \S+ recorded", made)
    assert "was recorded before" in made
    assert '"accepted":1' in made.replace(" ", "")
    presented = [one for one in system.events("presentation") if one["data"]["presentation_id"] in made]
    assert [one["type"] for one in presented] == ["presentation.made", "presentation.answered"]
    if presented[0]["data"]["offer"] == "hk_day_pass":
        assert "calls to Hong Kong: 6 uses in the last 60 days" in made

    assert "no presentation is old enough" in page("learn")
