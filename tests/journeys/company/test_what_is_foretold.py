"""Value, personas and related products on the running system: docs/foretelling.md, line by line."""

import re

import pytest

from tests.support.system import ROOT, System


@pytest.fixture(scope="module")
def analyst(system: System):
    """Runs the page's blocks."""

    def run(name: str) -> str:
        text = (ROOT / "docs" / "foretelling.md").read_text()
        found = re.search(rf"<!-- run: {name} -->\n```bash\n(.*?)```\n", text, re.DOTALL)
        assert found, f"docs/foretelling.md has no block {name}"
        return " ".join(system.shell(found.group(1)).split())

    assert "0 quarantined" in run("world")
    return run


def test_an_analyst_foretells_value_persona_and_related_products(system: System, analyst):
    valued = analyst("value")
    assert re.search(r"0 buyers, [1-9]\d* under a contract and [1-9]\d* whose contract has ended", valued)
    assert re.search(r"[1-9][\d,]*\.\d\d USD within 365 days; [1-9]\d* recorded", valued)
    assert "own_past" in valued

    frozen = analyst("personas")
    assert "freeze 1 of 2026-01-01 (now)" in frozen
    assert "freeze 1 of 2026-01-01:" in frozen
    assert "freeze 2 of 2026-01-31 (now)" in frozen
    assert "of the customers elsewhere" in frozen

    assert "3 products" in analyst("related")

    told = [one for one in system.events("prediction") if one["type"] == "prediction.value_foretold"]
    one = next(one for one in told if float(one["data"]["amount"]) > 0)
    assert one["data"]["model"] == "contract"
    assert float(one["data"]["amount"]) <= float(one["data"]["monthly"]) * 12
