"""The timeline over HTTP: newest first, a page at a time, everything once."""

from datetime import timedelta

import pytest

from tests.support.calling import caller, read
from tests.support.clock import MONDAY
from tests.support.folding import fold
from tests.support.sending import account, item, phone, purchase, send


@pytest.fixture
def api(workspace):
    return caller(workspace)


def pages(api, url: str, **params) -> list[dict]:
    """Every item, by following the cursor to the end."""
    found, cursor = [], None
    while True:
        page = read(api, url, cursor=cursor, **params)
        found += page["items"]
        cursor = page["next"]
        if cursor is None:
            return found


def test_the_cursor_covers_everything_once_newest_first(workspace, api):
    moments = [MONDAY - timedelta(minutes=number // 3) for number in range(20)]  # three at a time share one
    answers = send(
        workspace,
        *(
            item(f"{number}", account(), channel="web", origin="import", at=at)
            for number, at in enumerate(moments)
        ),
    )
    fold(workspace)
    url = f"/v1/customers/{answers[0].customer}/timeline"
    for limit in (1, 7, 20, 21):
        found = pages(api, url, limit=limit)
        assert sorted(one["event_id"] for one in found) == sorted(one.event_id for one in answers)
        assert [one["occurred_at"] for one in found] == sorted(
            (one["occurred_at"] for one in found), reverse=True
        )
    assert len(pages(api, url, limit=3, as_of=moments[10].isoformat())) == 11
    assert pages(api, url, limit=3, known_at=moments[10].isoformat()) == pages(
        api, url, limit=3, as_of=moments[10].isoformat()
    )


def test_what_was_said_is_opened_and_shows_as_erased_once_its_key_is_gone(workspace, api):
    said, kept = send(
        workspace,
        item("1", account(), channel="chat", text="my street is Elm Road", attributes={"sealed": "a word"}),
        item("2", account(), channel="chat", text="thank you"),
    )
    fold(workspace)
    url = f"/v1/customers/{said.customer}/timeline"
    second, first = read(api, url)["items"]
    assert (first["data"]["text"], second["data"]["text"]) == ("my street is Elm Road", "thank you")
    assert first["data"]["attributes"] == {"sealed": "a word"}
    workspace.vault.forget([said.event_id])
    second, first = read(api, url)["items"]
    assert (first["data"]["text"], second["data"]["text"]) == ("[erased]", "thank you")
    assert read(api, f"/v1/events/{said.event_id}")["data"]["text"] == "[erased]"
    assert read(api, f"/v1/events/{kept.event_id}")["data"]["text"] == "thank you"


def test_only_one_channel_type_or_family(workspace, api):
    one = send(
        workspace,
        item("1", phone(), channel="voice"),
        item("2", phone(), channel="chat"),
        item("3", phone(), type="contact.started", contact_id="c1", channel="voice"),
        purchase("4", phone(), at=MONDAY),
    )[0].customer
    fold(workspace)
    url = f"/v1/customers/{one}/timeline"

    def types(**asked) -> list[str]:
        return sorted(one["type"] for one in pages(api, url, limit=1, **asked))

    assert types(channel="voice") == ["contact.started", "touch.recorded"]
    assert types(type="purchase.recorded") == ["purchase.recorded"]
    assert types(family="touch") == ["touch.recorded", "touch.recorded"]
    assert types(family="touch", channel="chat") == ["touch.recorded"]
    assert types(family="case") == []


def test_a_corrected_touch_is_shown_as_it_should_have_been(workspace, api):
    (wrong,) = send(workspace, item("1", phone(), channel="voice", reason="billing.dispute"))
    send(
        workspace, item("2", phone(), type="touch.corrected", touch_id=wrong.event_id, reason="roaming.price")
    )
    fold(workspace)
    shown = read(api, f"/v1/customers/{wrong.customer}/timeline", type="touch.recorded")["items"]
    assert [one["data"]["reason"] for one in shown] == ["roaming.price"]


def test_a_cursor_that_is_none_is_refused(workspace, api):
    one = send(workspace, item("1", phone(), channel="voice"))[0].customer
    null, no_uuid = "bnVsbA==", "WyIyMDI2LTAzLTAyVDA5OjAwOjAwWiIsIlx1MDAwMCJd"
    for cursor in ("", "nonsense", null, no_uuid, "\x00", "é"):
        answer = api.get(f"/v1/customers/{one}/timeline", params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (422, "cursor.invalid"), cursor


def test_a_page_has_its_limit(workspace, api):
    one = send(workspace, item("1", phone(), channel="voice"))[0].customer
    for limit in ("0", "201", "many"):
        answer = api.get(f"/v1/customers/{one}/timeline", params={"limit": limit})
        assert (answer.status_code, answer.json()["path"]) == (422, "$.query.limit")
