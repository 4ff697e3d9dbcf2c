"""The catalogue names every event and everything that reads it."""

import io

import pytest
from rich.console import Console

from events import registry
from models.policies.catalogue import POLICIES
from models.projections.catalogue import PROJECTIONS
from services import catalogue


def test_the_page_is_what_the_code_says():
    assert not catalogue.stale(), "run make schemas"


def test_every_type_and_every_reader_is_on_the_page():
    page = catalogue.page()
    for entry in registry.all_types():
        assert f"\n### {entry.wire}\n" in page
    for reader in [*PROJECTIONS, *POLICIES]:
        assert f"`{reader.name}`" in page


def test_a_reader_stands_beside_each_type_it_matches():
    for reader in [*PROJECTIONS, *POLICIES]:
        assert reader.matches, reader.name
        for cls in reader.matches:
            assert f"`{reader.name}`" in catalogue.detail(cls.WIRE)


def test_one_type_in_detail():
    told = catalogue.detail("case.imported")
    assert "`case-<case_id>` (opens it, as imported history)" in told
    assert "| personal fields | `text` |" in told
    assert "`touchstone.events`, `touchstone.case`" in told


def test_a_name_that_is_no_type_gets_a_hint():
    with pytest.raises(KeyError, match=r"case\.opened"):
        catalogue.detail("case.open")


def test_the_table_has_a_row_for_every_type():
    console = Console(file=io.StringIO(), width=200)
    console.print(catalogue.table())
    for entry in registry.all_types():
        assert entry.wire in console.file.getvalue()


def test_writing_twice_writes_once(tmp_path):
    page = tmp_path / "docs" / "catalogue.md"
    catalogue.write(page)
    written = page.stat().st_mtime_ns
    catalogue.write(page)
    assert page.stat().st_mtime_ns == written
    assert not catalogue.stale(page)
