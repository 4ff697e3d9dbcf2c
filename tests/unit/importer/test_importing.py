"""A file into a running gateway: every line accounted for, whatever happens on the way."""

import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from services.importer import importing, known, sending
from services.importer.importing import import_file
from services.importer.known import KNOWN, check_folder, find_known, render_checks
from services.importer.mapping import Mapping, MappingProblem, parse_mapping, ready_mapping, ready_mappings
from services.importer.reading import FileProblem
from services.importer.report import ImportReport, render
from services.importer.sending import GatewayProblem

MAPPING = parse_mapping("""
source = "shop"
[defaults]
occurred_at = { rule = "date", column = "day" }
[[identifier]]
kind = "phone"
column = "phone"
[[event]]
type = "purchase.recorded"
when = [{ column = "paid", none_of = ["-"] }]
data = { amount = "paid" }
""")


def write(path: Path, rows: int, *odd: str) -> Path:
    lines = [f"+4420794600{n:02},2020-01-{n % 28 + 1:02},{n}.50" for n in range(rows)]
    path.write_text("\n".join(["phone,day,paid", *lines, *odd]) + "\n")
    return path


@pytest.fixture
def file(tmp_path) -> Path:
    return write(tmp_path / "shop.csv", 10)


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(importing, "MOST_ITEMS", 3)


def account(report: ImportReport) -> tuple[int, int, int, int, int]:
    said = report.verdicts
    return said.received, said.accepted, said.duplicates, said.refused, said.quarantined


def shown(report: ImportReport) -> str:
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(render(report))
    return console.export_text()


def test_every_line_is_accounted_for(tmp_path, gateway, key):
    odd = ("+44207946099,2020-02-30,1", "only,two", '"open', "+44207946098,2020-01-01,-")
    report = import_file(write(tmp_path / "shop.csv", 10, *odd), MAPPING, gateway.url, key)
    assert account(report) == (13, 10, 0, 0, 3)
    assert (report.lines, report.drafts, report.unreadable, report.without_event) == (14, 10, 3, 1)
    assert report.verdicts.codes == {"bad_date": 1, "wrong_width": 1, "bad_quotes": 1}
    assert [problem.line for problem in report.verdicts.problems] == [12, 13, 14]
    assert report.customers == 10
    assert report.balanced


def test_an_import_sent_again_is_all_duplicates(file, gateway, key):
    import_file(file, MAPPING, gateway.url, key)
    report = import_file(file, MAPPING, gateway.url, key)
    assert account(report) == (10, 0, 10, 0, 0)
    assert report.verdicts.codes == {}


def test_other_content_under_the_same_row_is_told(file, gateway, key):
    import_file(file, MAPPING, gateway.url, key)
    file.write_text(file.read_text().replace("9.50", "9.75"))
    report = import_file(file, MAPPING, gateway.url, key)
    assert report.verdicts.codes == {"content_differs": 1}


def test_a_dry_run_sends_nothing_and_judges_by_the_contract(tmp_path, gateway):
    path = write(tmp_path / "shop.csv", 3, f"1,2020-01-01,{'9' * 5}", "1,2020-01-99,1")
    mapping = parse_mapping("""
        source = "shop"
        defaults = { occurred_at = { rule = "date", column = "day" } }
        [[event]]
        type = "purchase.recorded"
        data = { currency = "paid" }
    """)
    report = import_file(path, mapping, gateway.url, dry_run=True)
    assert account(report) == (5, 0, 0, 0, 5)
    assert report.verdicts.codes == {"invalid": 4, "bad_date": 1}
    assert gateway.batches == []
    assert import_file(path, MAPPING, dry_run=True).verdicts.accepted == 4


def test_a_run_that_was_stopped_goes_on_where_it_stopped(file, gateway, key, tmp_path, small_batches):
    gateway.fails_after = 2
    with pytest.raises(GatewayProblem, match="418"):
        import_file(file, MAPPING, gateway.url, key, checkpoints=tmp_path / "var", in_flight=1)
    assert len(list((tmp_path / "var").iterdir())) == 1
    gateway.fails_after = None
    report = import_file(file, MAPPING, gateway.url, key, checkpoints=tmp_path / "var")
    assert report.resumed_after == 6
    assert account(report) == (10, 10, 0, 0, 0)
    assert sorted(gateway.batches) == [1, 3, 3, 3]
    assert report.balanced
    assert list((tmp_path / "var").iterdir()) == []


def test_a_stopped_run_may_begin_anew(file, gateway, key, tmp_path, small_batches):
    gateway.fails_after = 1
    with pytest.raises(GatewayProblem):
        import_file(file, MAPPING, gateway.url, key, checkpoints=tmp_path / "var", in_flight=1)
    gateway.fails_after = None
    report = import_file(file, MAPPING, gateway.url, key, checkpoints=tmp_path / "var", resume=False)
    assert account(report) == (10, 7, 3, 0, 0)


def test_a_checkpoint_holds_for_its_file_mapping_and_gateway_only(
    file, gateway, key, tmp_path, small_batches
):
    gateway.fails_after = 1
    with pytest.raises(GatewayProblem):
        import_file(file, MAPPING, gateway.url, key, checkpoints=tmp_path / "var", in_flight=1)
    gateway.fails_after = None
    write(file, 11)
    assert import_file(file, MAPPING, gateway.url, key, checkpoints=tmp_path / "var").resumed_after == 0


def test_a_broken_checkpoint_is_none(file, gateway, key, tmp_path, small_batches):
    gateway.fails_after = 1
    with pytest.raises(GatewayProblem):
        import_file(file, MAPPING, gateway.url, key, checkpoints=tmp_path / "var", in_flight=1)
    gateway.fails_after = None
    [kept] = (tmp_path / "var").iterdir()
    kept.write_text("{")
    report = import_file(file, MAPPING, gateway.url, key, checkpoints=tmp_path / "var")
    assert (report.resumed_after, report.balanced) == (0, True)


def test_years_by_order_are_right_after_a_stop(gateway, key, tmp_path, samples, monkeypatch):
    """The rows before the checkpoint are not sent again, but the years still follow from them."""
    mapping, path = ready_mapping("bank_campaigns"), samples / "bank_campaigns.csv"
    monkeypatch.setattr(importing, "MOST_ITEMS", 2)
    gateway.fails_after = 2
    with pytest.raises(GatewayProblem):
        import_file(path, mapping, gateway.url, key, checkpoints=tmp_path, in_flight=1)
    gateway.fails_after = None
    report = import_file(path, mapping, gateway.url, key, checkpoints=tmp_path)
    assert gateway.kept["bank_campaigns", "5#1"]["occurred_at"][:10] == "2009-03-01"
    assert (report.resumed_after, report.counts, report.identified) == (2, {"lost": 2, "won": 1}, 3)


def test_a_busy_gateway_is_waited_for(file, gateway, key):
    gateway.script = [(503, "0.01"), (429, "0.01"), 502]
    notices: list[str] = []
    report = import_file(file, MAPPING, gateway.url, key, notice=notices.append)
    assert report.verdicts.accepted == 10
    assert [sentence.split(";")[0] for sentence in notices] == [
        "the gateway is busy", "the gateway asks for less", "the gateway failed",
    ]  # fmt: skip


def test_a_gateway_busy_for_too_long_is_told(file, gateway, key, monkeypatch):
    monkeypatch.setattr(sending, "BUSY_SECONDS", 0.05)
    gateway.script = [(503, "0.02")] * 50
    with pytest.raises(GatewayProblem, match="goes on where it stopped"):
        import_file(file, MAPPING, gateway.url, key)


def test_a_gateway_out_of_reach_is_told(file, monkeypatch):
    monkeypatch.setattr(sending, "UNREACHED_SECONDS", 0.1)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(GatewayProblem, match="is it up"):
            import_file(file, MAPPING, url, "key")


def test_an_import_that_fails_leaves_no_thread_waiting(file, gateway, key, small_batches):
    """One batch fails for good while the next is told to come back in a minute: nobody waits for it."""
    gateway.script = [400, (503, "60")]
    with pytest.raises(GatewayProblem, match="400"):
        import_file(file, MAPPING, gateway.url, key)


@pytest.mark.parametrize(
    ("url", "key", "words"),
    [
        ("{url}", "another-key", "--key"),
        ("{url}/nowhere", "a-key-of-the-tests", "--gateway"),
        ("ftp://here", "a-key-of-the-tests", "no URL"),
        ("", "a-key-of-the-tests", "no URL"),
    ],
)
def test_a_wrong_address_or_key_names_the_option(file, gateway, url: str, key: str, words: str):
    with pytest.raises(GatewayProblem, match=words) as caught:
        import_file(file, MAPPING, url.format(url=gateway.url), key)
    assert key not in str(caught.value)


def test_an_answer_that_does_not_add_up_is_not_believed(file, gateway, key, monkeypatch):
    monkeypatch.setattr(gateway, "account", lambda items: {
        "received": len(items), "accepted": 1, "duplicates": 0, "refused": 0, "quarantined": 0,
    })  # fmt: skip
    with pytest.raises(GatewayProblem, match="accounted for 1 only"):
        import_file(file, MAPPING, gateway.url, key)


def test_a_batch_too_large_is_split(tmp_path, gateway, key):
    gateway.most_items = 4
    path = write(tmp_path / "shop.csv", 10, "1,2020-02-30,1")
    report = import_file(path, MAPPING, gateway.url, key)
    assert account(report) == (11, 10, 0, 0, 1)
    assert report.verdicts.problems[0].line == 12
    assert max(gateway.batches) <= 4


def test_an_item_too_large_for_the_gateway_is_refused_and_the_rest_goes_on(file, gateway, key):
    gateway.most_items = 0
    report = import_file(file, MAPPING, gateway.url, key)
    assert account(report) == (10, 0, 0, 10, 0)
    assert report.verdicts.codes == {"too_large": 10}


def test_a_limit_stops_early_and_keeps_no_checkpoint(file, gateway, key, tmp_path):
    report = import_file(file, MAPPING, gateway.url, key, limit=4, checkpoints=tmp_path / "var")
    assert (report.lines, report.verdicts.accepted) == (4, 4)
    assert not (tmp_path / "var").exists()


def test_progress_comes_to_its_end(file, gateway, key, small_batches):
    steps: list[tuple[int, int]] = []
    import_file(file, MAPPING, gateway.url, key, progress=lambda done, total: steps.append((done, total)))
    assert steps[-1] == (file.stat().st_size, file.stat().st_size)
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        ("", FileProblem, "empty"),
        ("phone;day;paid\n1;2;3\n", MappingProblem, "file.separator"),
        ("phone,day,price\n1,2,3\n", MappingProblem, "'paid'"),
    ],
)
def test_a_file_that_does_not_fit_the_mapping_sends_nothing(tmp_path, gateway, key, content, error, words):
    path = tmp_path / "shop.csv"
    path.write_text(content)
    with pytest.raises(error, match=words):
        import_file(path, MAPPING, gateway.url, key)
    assert gateway.batches == []


def test_a_header_alone_is_an_import_of_nothing(tmp_path, gateway, key):
    report = import_file(write(tmp_path / "shop.csv", 0), MAPPING, gateway.url, key)
    assert (account(report), report.balanced) == ((0, 0, 0, 0, 0), True)


def test_no_personal_value_is_shown(tmp_path, gateway, key):
    odd = ("+44207946099,2020-02-30,1", "+44207946099,x", '"+44207946099,2020-01-01,1')
    report = import_file(write(tmp_path / "shop.csv", 2, *odd), MAPPING, gateway.url, key)
    assert "7946" not in shown(report) + str(report.as_dict()) + repr(report)


def test_the_report_as_plain_data(file, gateway, key):
    plain = import_file(file, MAPPING, gateway.url, key).as_dict()
    assert (plain["received"], plain["accepted"], plain["balanced"]) == (10, 10, True)


def test_phantom_calls_are_counted_apart(gateway, key, samples):
    report = import_file(samples / "bank_calls_1999.txt", ready_mapping("bank_calls_1999"), gateway.url, key)
    assert (report.outside, report.excluded) == ({"phantom": 1}, 1)
    assert report.warnings == {"customer_id_rounded": 1, "negative_ivr_time": 1}
    assert "outside all figures: phantom" in shown(report)


CELL = st.sampled_from(["", "1", "-", "x", '"', "2020-01-01", "2020-02-30", "+442079460000", "9" * 400])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(rows=st.lists(st.lists(CELL, min_size=1, max_size=4), max_size=40))
def test_received_is_the_sum_of_the_verdicts_whatever_the_file(gateway, key, tmp_path, small_batches, rows):
    path = tmp_path / "any.csv"
    path.write_text("\n".join(["phone,day,paid", *(",".join(row) for row in rows)]) + "\n")
    gateway.kept.clear()
    report = import_file(path, MAPPING, gateway.url, key)
    received, accepted, duplicates, refused, quarantined = account(report)
    assert received == accepted + duplicates + refused + quarantined == report.drafts + report.unreadable
    assert report.lines == report.drafts + report.unreadable + report.without_event
    assert (accepted, quarantined) == (report.drafts, report.unreadable)


def test_a_folder_is_checked_by_what_is_known(tmp_path, gateway, key, samples, monkeypatch):
    small = known.Known(
        names=("CDNOW_master.txt",), mapping="cdnow", lines=6, events={"purchase.recorded": 3}, customers=2,
        quarantined=3,
    )  # fmt: skip
    monkeypatch.setattr(known, "KNOWN", (small, *KNOWN[1:]))
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "CDNOW_master.txt").write_bytes((samples / "cdnow.txt").read_bytes())
    (tmp_path / "bank-full.csv").write_bytes((samples / "bank_campaigns.csv").read_bytes())
    (tmp_path / "bank-additional-full.csv").write_text("a;b\n")
    (tmp_path / "january.txt").write_text("nothing of ours\n")
    (tmp_path / "notes.md").write_text("not data")
    for again in (False, True):
        checks = {check.file.name: check for check in check_folder(tmp_path, gateway.url, key)}
        assert checks["CDNOW_master.txt"].passed, (again, checks["CDNOW_master.txt"].comparisons)
        assert not checks["bank-full.csv"].passed
        assert checks["bank-additional-full.csv"].mapping is None
        assert "file.separator" in (checks["january.txt"].problem or "")
        assert len(checks) == 4
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(render_checks(list(checks.values())))
    assert "not known, left alone" in console.export_text()


def test_every_ready_mapping_has_a_known_file():
    assert sorted(one.mapping for one in KNOWN) == ready_mappings()
    assert find_known(Path("somewhere/cdnow_MASTER.txt.gz")) is KNOWN[0]


@pytest.mark.parametrize("name", ready_mappings())
def test_ready_mappings_load(name: str):
    assert isinstance(ready_mapping(name), Mapping)
