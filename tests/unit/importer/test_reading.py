"""Rows of any file: what can't be read is said with its line, and the rest goes on."""

import gzip
import tracemalloc
from pathlib import Path

import msgspec
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.importer import reading
from services.importer.mapping import FileForm, MappingProblem
from services.importer.reading import BadRow, FileProblem, Row, check_columns, open_table

PLAIN = FileForm()


def read(path: Path, content: bytes, form: FileForm = PLAIN) -> list[Row | BadRow]:
    path.write_bytes(content)
    with open_table(path, form) as table:
        return list(table.rows)


def cells(rows: list[Row | BadRow]) -> list[list[str] | str]:
    return [row.cells if isinstance(row, Row) else row.code for row in rows]


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "data.csv"


def test_rows_are_numbered_without_the_header_and_lines_with_it(file):
    [first, second] = read(file, b"a,b\n1,2\n\n3,4\n")
    assert (first.number, first.line, first.cells) == (1, 2, ["1", "2"])
    assert (second.number, second.line, second.cells) == (2, 4, ["3", "4"])


def test_a_header_that_may_be_missing_does_not_change_the_numbers(file):
    form = FileForm(separator="whitespace", header="maybe", columns=("id", "sum"))
    with_header, without = read(file, b"id sum\n7 8\n", form), read(file, b"7 8\n", form)
    assert [(r.number, cells([r])) for r in with_header] == [(r.number, cells([r])) for r in without]


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (b"\xef\xbb\xbfa,b\r\n1,x\r\n", PLAIN),
        (b"a;b\n1;x\n", FileForm(separator=";")),
        (b"a\tb\n1\tx\n", FileForm(separator="tab")),
        (b"  a  b \n  1   x\n", FileForm(separator="whitespace")),
        (b"'a','b'\n'1','x'", FileForm(quote="'")),
        ("\ufeffa,b\r\n1,x\r\n".encode("utf-16-le"), FileForm(encoding="utf-16-le")),
        ("a,b\r\n1,x\r\n".encode("utf-16"), FileForm(encoding="utf-16")),
        (gzip.compress(b"a,b\n1,x\n"), PLAIN),
    ],
    ids=["bom", "semicolon", "tab", "whitespace", "quote", "utf-16-le", "utf-16", "gzip"],
)
def test_forms_of_one_table(file, content, form):
    file.write_bytes(content)
    with open_table(file, form) as table:
        assert table.columns == ("a", "b")
        assert cells(list(table.rows)) == [["1", "x"]]


def test_latin_letters(file):
    [row] = read(file, "name\nJosé\n".encode("latin-1"), FileForm(encoding="latin-1"))
    assert row.cells == ["José"]


def test_bytes_that_are_no_text_spoil_their_line_only(file):
    rows = read(file, b"a,b\n1,2\n\xff\xfe,3\n4,5\n")
    assert cells(rows) == [["1", "2"], "not_text", ["4", "5"]]
    assert rows[1].raw == "\\xff\\xfe,3"


def test_a_quoted_value_may_hold_line_ends_and_quotes(file):
    rows = read(file, b'a,b\n1,"two\nlines, and ""quotes"""\n3,4\n')
    assert cells(rows) == [["1", 'two\nlines, and "quotes"'], ["3", "4"]]
    assert [row.line for row in rows] == [2, 4]


def test_a_quote_that_is_never_closed_spoils_its_line_only(file):
    rows = read(file, b'a,b\n1,"open\n2,x\n3,y\n4,"shut"\n')
    assert cells(rows) == ["bad_quotes", ["2", "x"], ["3", "y"], ["4", "shut"]]


def test_a_quote_that_is_never_closed_does_not_eat_a_long_file(file):
    rows = read(file, b'a,b\n1,"open\n' + b"2,x\n" * 5_000)
    assert cells(rows)[0] == "bad_quotes"
    assert len(rows) == 5_001


def test_two_stray_quotes_do_not_eat_the_rows_between_them(file):
    rows = read(file, b'a,b,c\n1,"x,2\n3,4,5\n6,7,y"\n')
    assert cells(rows) == ["bad_quotes", ["3", "4", "5"], ["6", "7", 'y"']]


def test_an_inch_mark_in_a_value_is_no_quote(file):
    assert cells(read(file, b'a,b\n1,5" pipe\n2,x\n')) == [["1", '5" pipe'], ["2", "x"]]


def test_text_after_a_closing_quote_is_a_bad_line(file):
    assert cells(read(file, b'a,b\n"1"x,2\n3,4\n')) == ["bad_quotes", ["3", "4"]]


def test_a_line_with_too_few_or_too_many_cells(file):
    rows = read(file, b"a,b\n1\n1,2,3\n4,5\n")
    assert cells(rows) == ["wrong_width", "wrong_width", ["4", "5"]]
    assert rows[0].detail == "1 cells where there are 2 columns"


def test_a_line_without_end_is_not_taken_into_memory(file, monkeypatch):
    monkeypatch.setattr(reading, "LINE_BYTES", 10_000)
    file.write_bytes(b"a\n" + b"x" * 5_000_000 + b"\n7\n")
    tracemalloc.start()
    with open_table(file, PLAIN) as table:
        assert cells(list(table.rows)) == ["line_too_long", ["7"]]
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_blank_lines_are_counted_and_are_no_rows(file):
    file.write_bytes(b"a\n1\n\n   \n2\n")
    with open_table(file, PLAIN) as table:
        assert len(list(table.rows)) == 2
        assert table.blank == 2


@pytest.mark.parametrize(
    "content",
    [b"", b"\n\n", gzip.compress(b"", mtime=0)],
    ids=["nothing", "blank lines", "nothing, compressed"],
)
def test_an_empty_file_is_said_to_be_empty(file, content):
    with pytest.raises(FileProblem, match=r"empty|no lines"):
        read(file, content)


def test_a_file_that_is_not_there(file):
    with pytest.raises(FileProblem, match="there is no file"), open_table(file, PLAIN):
        pass


def test_a_compressed_file_cut_short_gives_what_it_has(file):
    whole = gzip.compress(b"a\n" + b"".join(b"%d\n" % n for n in range(90_000)))
    file.write_bytes(whole[:-2_000])
    rows = []
    with pytest.raises(FileProblem, match="damaged after line"), open_table(file, PLAIN) as table:
        rows.extend(table.rows)
    assert len(rows) > 1_000


def test_a_wrong_separator_is_guessed_at_without_showing_the_line(file):
    file.write_bytes(b"5550001;Anna\n1;2\n")
    with open_table(file, PLAIN) as table, pytest.raises(MappingProblem) as caught:
        check_columns(table.columns, [("event[1].data.amount.column", "paid")])
    assert caught.value.key == "event[1].data.amount.column"
    assert '";"' in caught.value.detail
    assert "Anna" not in str(caught.value)


def test_a_header_without_a_listed_column_names_it(file):
    with pytest.raises(MappingProblem, match="no paid; it has 2 columns") as caught:
        read(file, b"a,b\n1,2\n", FileForm(columns=("a", "paid")))
    assert caught.value.key == "file.columns"


def test_a_header_in_another_encoding_names_the_key(file):
    with pytest.raises(MappingProblem, match=r"file\.encoding"):
        read(file, "señor,b\n1,2\n".encode("latin-1"))


def test_parquet_rows_are_text_like_any_other(tmp_path):
    table = arrow.table({"id": [1, None], "sum": [2.5, 3.0], "name": ["x", "y"]})
    parquet.write_table(table, tmp_path / "data.parquet")
    with open_table(tmp_path / "data.parquet", FileForm(format="parquet")) as opened:
        assert opened.columns == ("id", "sum", "name")
        assert cells(list(opened.rows)) == [["1", "2.5", "x"], ["", "3.0", "y"]]


def test_what_is_no_parquet_file_is_told(file):
    with pytest.raises(FileProblem, match="no Parquet file"):
        read(file, b"a,b\n1,2\n", msgspec.structs.replace(PLAIN, format="parquet"))


@given(lines=st.lists(st.binary(max_size=30).filter(lambda b: b"\n" not in b), max_size=30))
def test_every_line_is_a_row_a_bad_row_or_part_of_one(tmp_path_factory, lines: list[bytes]):
    """Whatever stands in the file, no line gets lost and nothing is raised."""
    file = tmp_path_factory.mktemp("any") / "any.csv"
    file.write_bytes(b"a,b\n" + b"".join(line + b"\n" for line in lines))
    with open_table(file, PLAIN) as table:
        rows = list(table.rows)
    inside = sum(row.raw.count("\n") for row in rows if isinstance(row, Row))
    assert len(rows) + inside + table.blank >= len(lines)
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
