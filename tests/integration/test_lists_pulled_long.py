"""A list longer than a page: handed out as it is decided, so that its first byte does not wait for its last."""

import io
import json
from datetime import timedelta

import pytest
from pyarrow import parquet

from infra.target_list import files as list_files
from infra.target_list.building import build
from infra.target_list.pull import PAGE, Pull, find
from tests.support.calling import caller
from tests.support.folding import fold
from tests.support.listing import AS_OF, RULES, all_rows, score, withdraw
from tests.support.sending import account, email, item, phone, purchase, send
from tests.support.workspaces import ruled

COUNT = PAGE + 20


@pytest.fixture
def workspace(settings, clock, tmp_path):
    """A workspace whose rules allow text messages and mail."""
    with ruled(settings, clock, tmp_path, RULES) as opened:
        yield opened


@pytest.fixture
def listed(workspace):
    """A list of a page of members and twenty more, of whom the views know."""
    answers = send(workspace, *(
        purchase(str(n), *_known_by(n), at=AS_OF - timedelta(days=9), amount="500") for n in range(COUNT)
    ))  # fmt: skip
    numbers = {answer.customer: n for n, answer in enumerate(answers)}
    score(workspace, dict.fromkeys(numbers, 0.6))
    fold(workspace)
    list_id = build(workspace, "retention", as_of=AS_OF).list_id
    ranked = [row.customer for row in all_rows(workspace, list_id)]
    return list_id, ranked, [numbers[one] for one in ranked]


def _known_by(number):
    """The first of them has a mail address only, and so, mail being cheaper, the first rank."""
    if number == 0:
        return [email("first@example.com")]
    return [account(str(number)), phone(f"+1415{5550000 + number}")]


@pytest.mark.parametrize("folded", [True, False])
def test_rows_that_came_and_members_passed_over_are_all_members(workspace, listed, clock, folded):
    """How many are passed over is not known at the first byte: it is what is missing at the last."""
    list_id, ranked, numbers = listed
    send(workspace, withdraw(numbers[3], clock.now()), withdraw(numbers[PAGE + 3], clock.now()))
    if folded:
        fold(workspace)
    answer = caller(workspace).get(f"/v1/lists/{list_id}/members", params={"format": "ndjson"})
    came = [json.loads(line)["customer"] for line in answer.text.splitlines()]
    assert came == [one for one in ranked if one not in (ranked[3], ranked[PAGE + 3])]
    assert int(answer.headers["X-Members"]) - len(came) == 2
    assert "X-Left-Out-At-Pull" not in answer.headers


def test_pages_say_how_many_each_passed_over(workspace, listed, clock):
    list_id, _, numbers = listed
    send(workspace, withdraw(numbers[1], clock.now()), withdraw(numbers[PAGE + 19], clock.now()))
    api, place = caller(workspace), f"/v1/lists/{list_id}/members"
    first = api.get(place, params={"limit": PAGE}).json()
    last = api.get(place, params={"limit": PAGE, "cursor": first["next"]}).json()
    assert (len(first["items"]), first["left_out_at_pull"]) == (PAGE, 1)
    assert (len(last["items"]), last["left_out_at_pull"], last["next"]) == (18, 1, None)


def test_a_no_that_is_recorded_while_a_list_is_handed_out_counts_from_the_next_page(workspace, listed, clock):
    list_id, ranked, numbers = listed
    pages = Pull(workspace, find(workspace, list_id), addresses=True).pages()
    first = next(pages)
    send(workspace, withdraw(numbers[PAGE + 5], clock.now()))
    [last] = pages
    came = [one.row.customer for page in (first, last) for _, one in page.items]
    assert (first.left_out, last.left_out, last.next) == (0, 1, None)
    assert set(ranked) - set(came) == {ranked[PAGE + 5]}


@pytest.mark.parametrize("no", [False, True])
def test_two_members_who_turned_out_to_be_one_are_contacted_once_pages_apart(workspace, listed, clock, no):
    """Whoever ranks first is the one; if either said no, neither is."""
    list_id, ranked, numbers = listed
    other = numbers[PAGE + 2]
    pages = Pull(workspace, find(workspace, list_id), addresses=True).pages()
    first = next(pages)
    send(
        workspace,
        item("both", email("first@example.com"), *_known_by(other), at=clock.now(), channel="store"),
    )
    if no:
        send(workspace, withdraw(other, clock.now()))
    [last] = pages
    assert ranked[0] in {pulled.row.customer for _, pulled in first.items}
    assert ranked[PAGE + 2] not in {pulled.row.customer for _, pulled in last.items}
    again = Pull(workspace, find(workspace, list_id), addresses=False)
    came = [pulled.row.customer for page in again.pages() for _, pulled in page.items]
    assert [one for one in came if one in (ranked[0], ranked[PAGE + 2])] == ([] if no else [ranked[0]])


def test_a_long_lists_etag_holds_for_a_quarter_of_an_hour_and_until_anything_is_recorded(
    workspace, listed, clock
):
    list_id, _, _ = listed
    api, place = caller(workspace), f"/v1/lists/{list_id}/members?format=csv"
    clock.pass_time(minutes=1)
    tag = api.get(place).headers["ETag"]
    clock.pass_time(minutes=5)
    assert api.get(place, headers={"If-None-Match": tag}).status_code == 304
    clock.pass_time(minutes=15)
    later = api.get(place, headers={"If-None-Match": tag})
    assert (later.status_code, later.headers["ETag"] == tag) == (200, False)
    send(workspace, item("mail", email("somebody@example.com"), at=clock.now()))
    assert api.get(place, headers={"If-None-Match": later.headers["ETag"]}).status_code == 200


def test_a_parquet_file_comes_in_parts_and_is_one_file(workspace, listed):
    list_id, ranked, _ = listed
    pages = Pull(workspace, find(workspace, list_id), addresses=True).pages()
    parts = list(
        list_files.whole("parquet", ([one for _, one in page.items] for page in pages), addresses=True)
    )
    assert len(parts) == 3, "a part a page, and the end of the file"
    file = parquet.ParquetFile(io.BytesIO(b"".join(parts)))
    assert file.metadata.num_row_groups == 2
    rows = file.read().to_pylist()
    assert [row["customer"] for row in rows] == ranked
    assert all(row["address"].startswith("+1415") for row in rows[1:])
