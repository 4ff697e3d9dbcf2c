"""A data scientist's day on the running system: docs/training.md, line by line."""

import json
import re
import shutil

import pytest

from tests.support.system import ROOT, System

OWN, EXPORT = "/tmp/touchstone-own", "/tmp/touchstone-export"  # noqa: S108  # as the page has them


def block(name: str) -> str:
    """One of the page's blocks, as it stands."""
    text = (ROOT / "docs" / "training.md").read_text()
    found = re.search(rf"<!-- run: {name} -->\n```bash\n(.*?)```\n", text, re.DOTALL)
    assert found, f"docs/training.md has no block {name}"
    return found.group(1)


@pytest.fixture(scope="module")
def scientist(system: System, tmp_path_factory: pytest.TempPathFactory):
    """Runs the page's blocks in folders of this test's own."""
    folder = tmp_path_factory.mktemp("scientist")

    def run(name: str) -> str:
        script = block(name).replace(OWN, str(folder / "own")).replace(EXPORT, str(folder / "export"))
        return system.shell(script)

    assert "0 quarantined" in run("world")
    yield run
    shutil.rmtree(folder)


def told(system: System, wire: str) -> list[dict]:
    return [one for one in system.events("prediction") if one["type"] == wire]


def test_a_scientist_retrains_adds_a_feature_and_judges_a_challenger(system, scientist):
    first = scientist("retrain")
    assert "recency alone" in first
    assert (
        "champion: it is the" in first
    )  # the first, or already, where another test of this system trained it
    assert re.search(r"[1-9]\d* scored, \d+ recorded", first)
    assert "champion of" in first

    exported = scientist("export")
    assert "usage.recorded" in exported
    assert "'unit': 'seconds'" in exported

    featured = scientist("feature")
    champion = re.search(r"artifact (churn-\w+)", featured)
    assert champion

    judged = scientist("challenger")
    assert "forest" in judged
    assert "scores again for churn:telecom" in judged
    moves = [
        one["data"]
        for one in told(system, "prediction.model_promoted")
        if one["data"]["model"] == "churn:telecom"
    ]
    assert moves[0]["why"] == "it is the first"
    assert moves[-1]["why"] == "a trial of the forest"
    [back] = told(system, "prediction.model_rolled_back")
    assert back["data"]["from_artifact"] == moves[-1]["artifact"]
    cards = [json.loads(path.read_text()) for path in system.var.glob("artifacts/*/card.json")]
    assert len({card["id"] for card in cards}) == len(cards) >= 3
