"""Webhooks: every event to every receiver, signed, in order and at least once, whatever receivers and senders do."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from datetime import timedelta

import pytest
from cloudevents.v1.http import from_json
from sqlalchemy import text
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from infra.clock import SystemClock
from infra.ids import new_id
from infra.journal.tail import Tail
from infra.webhooks import posting
from infra.webhooks import sender as sender_module
from infra.webhooks.addresses import allowed_hosts
from infra.webhooks.posting import Post
from infra.webhooks.sender import Sender
from infra.webhooks.turns import Turns
from infra.workspace import open_workspace
from models.tables.journal import journal
from models.tables.webhook import webhook
from services.cli.stack import environment
from tests.support.calling import caller, read
from tests.support.receiving import receiving, stays, until
from tests.support.sending import account, email, item, phone, send


@pytest.fixture
def shop(settings, clock):
    """A workspace whose operator lets webhooks go to this machine."""
    opened = open_workspace(settings.model_copy(update={"webhook_hosts": "127.0.0.1"}), clock)
    webhook.create(opened.engine, checkfirst=True)
    yield opened
    opened.close()


@pytest.fixture
def api(shop):
    return caller(shop)


@pytest.fixture
def receiver():
    with receiving() as one:
        yield one


@pytest.fixture(autouse=True)
def _brisk(monkeypatch):
    monkeypatch.setattr(sender_module, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(sender_module, "NOTE_SECONDS", 0.1)
    monkeypatch.setattr(sender_module, "STEP_SECONDS", 0.02)


@contextmanager
def sending(workspace, clock=None):
    """A sender at work, in a thread of its own; stopped as a process would be."""
    stop = []
    began = threading.Event()

    async def run():
        allowed = allowed_hosts(workspace.settings.webhook_hosts)
        one = Sender(
            Turns(workspace.engine, workspace.vault, new_id()), Tail(workspace.engine), Post(allowed),
            clock or workspace.clock, workspace.settings.topic_prefix,
        )  # fmt: skip
        task, loop = asyncio.create_task(one.run()), asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(task.cancel))
        began.set()
        with suppress(asyncio.CancelledError):
            await task

    def work():
        asyncio.run(run())

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert began.wait(20)
    try:
        yield
    finally:
        stop[0]()
        thread.join(20)
        assert not thread.is_alive()


def subscribe(api, url, **more):
    answer = api.post("/v1/webhooks", json={"url": url, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


def state(api, one):
    return read(api, f"/v1/webhooks/{one['id']}")


def touches(workspace, *names):
    """Record touches of nobody: one event each. Their ids."""
    send(workspace, *(item(name, channel="web") for name in names))
    return ids(workspace)[-len(names) :]


def ids(workspace):
    return [one.event_id for one in workspace.journal.read(journal.c.position > 0)]


def test_every_event_arrives_once_in_order_and_signed(shop, api, receiver):
    before = touches(shop, "1", "2")
    everything = subscribe(api, f"{receiver.url}/all", after=0)
    fresh = subscribe(api, f"{receiver.url}/fresh", topics=["touch"])
    with sending(shop, SystemClock()):
        after = touches(shop, "3", "4", "5")
        receiver.until(8)
        until(lambda: state(api, everything)["behind"] == state(api, fresh)["behind"] == 0)
    by_path = {path: [one for one in receiver.requests if one.path == path] for path in ("/all", "/fresh")}
    assert [one.headers["webhook-id"] for one in by_path["/all"]] == [*before, *after]
    assert [one.headers["webhook-id"] for one in by_path["/fresh"]] == after
    for request in by_path["/all"]:
        told = Webhook(everything["secret"]).verify(request.body, request.headers)
        understood = from_json(request.body)
        assert told["id"] == understood["id"] == request.headers["webhook-id"]
        assert request.headers["content-type"].startswith("application/cloudevents+json")
        with pytest.raises(WebhookVerificationError):
            Webhook(fresh["secret"]).verify(request.body, request.headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(everything["secret"]).verify(request.body.replace(b"web", b"sms"), request.headers)
    assert api.get("/v1/events?limit=1").json()["events"][0] == json.loads(by_path["/all"][0].body)


def test_only_what_was_asked_for_arrives_a_merge_once_with_both_customers(shop, api, receiver):
    one = subscribe(api, receiver.url, topics=["identity"], types=["opportunity.imported"])
    with sending(shop):
        send(
            shop, item("1", phone(), channel="voice"), item("2", email(), channel="chat"),
            item("3", phone(), email(), channel="store"),
            item("4", account(), type="opportunity.imported", origin="import", at=shop.clock.now(),
                 opportunity_id="o", subject="loan"),
        )  # fmt: skip
        until(lambda: state(api, one)["behind"] == 0)
    told = [json.loads(request.body) for request in receiver.requests]
    assert {one["type"].split(".")[0] for one in told} == {"identity", "opportunity"}
    assert len({one["id"] for one in told}) == len(told)
    (merge,) = [one for one in told if one["type"] == "identity.merged"]
    assert merge["data"]["survivor"] != merge["data"]["absorbed"]


def test_a_sender_that_dies_before_it_notes_what_was_taken_sends_it_again_under_the_same_id(
    shop, api, receiver
):
    first, second = touches(shop, "1", "2")
    one = subscribe(api, receiver.url, after=0)
    env = environment(shop.settings)
    process = subprocess.Popen([sys.executable, "-m", "services.workers.webhooks"], env=env)

    def kill_the_sender(_):
        process.send_signal(signal.SIGKILL)
        process.wait()
        return 200, {}

    receiver.answer = kill_the_sender
    receiver.until(1)
    process.wait(20)
    receiver.answer = lambda _: (200, {})
    assert state(api, one)["position"] == 0
    other = subscribe(api, f"{receiver.url}/other", topics=["case"], after=0)
    with sending(shop):
        until(lambda: state(api, other)["behind"] == 0)
        assert receiver.ids == [first], "the dead one's turn has not ended yet"
        with shop.engine.begin() as connection:
            connection.execute(text("UPDATE webhook SET held_until = now() - interval '1 second'"))
        receiver.until(3)
        until(lambda: state(api, one)["behind"] == 0)
    assert receiver.ids == [first, first, second]


def test_a_process_that_is_told_to_stop_gives_its_turns_back(shop, api, receiver):
    subscribe(api, receiver.url)
    env = environment(shop.settings)
    process = subprocess.Popen([sys.executable, "-m", "services.workers.webhooks"], env=env)
    (first,) = touches(shop, "1")
    receiver.until(1)
    process.terminate()
    assert process.wait(20) == 0
    (second,) = touches(shop, "2")
    with sending(shop):
        receiver.until(2)
    assert receiver.ids == [first, second]


def test_two_senders_never_send_for_one_webhook_at_the_same_time(shop, api, receiver):
    under_way, most = [], []

    def watch(request):
        under_way.append(request)
        most.append(len(under_way))
        time.sleep(0.005)
        under_way.remove(request)
        return 200, {}

    receiver.answer = watch
    one = subscribe(api, receiver.url)
    with sending(shop), sending(shop), sending(shop):
        expected = touches(shop, *map(str, range(60)))
        until(lambda: state(api, one)["behind"] == 0)
    assert max(most) == 1
    assert receiver.ids == expected


def test_a_receiver_that_fails_is_tried_again_later_and_later_with_the_same_id(shop, api, clock, receiver):
    receiver.answer = lambda _: (500, {})
    one = subscribe(api, receiver.url)
    with sending(shop):
        first, second = touches(shop, "1", "2")
        receiver.until(1)
        until(lambda: state(api, one)["attempts"] == 1)
        told = state(api, one)
        pause = until(lambda: state(api, one)["next_at"])
        assert "2026-03-02T09:00:02" < pause <= "2026-03-02T09:00:05"
        assert (told["state"], told["last_answer"], told["position"]) == ("enabled", "500", 0)
        clock.pass_time(seconds=5)
        receiver.until(2)
        until(lambda: state(api, one)["attempts"] == 2)
        receiver.answer = lambda _: (200, {})
        clock.pass_time(seconds=10)
        receiver.until(4)
        until(lambda: state(api, one)["behind"] == 0)
    assert receiver.ids == [first, first, first, second]
    told = state(api, one)
    assert (told["attempts"], told["failing_since"], told["next_at"]) == (0, None, None)


def test_retry_after_is_honoured(shop, api, clock, receiver):
    receiver.answer = lambda _: (503, {"Retry-After": "600"})
    one = subscribe(api, receiver.url)
    with sending(shop):
        touches(shop, "1")
        until(lambda: state(api, one)["attempts"] == 1)
        assert state(api, one)["next_at"] == "2026-03-02T09:10:00Z"
        clock.pass_time(seconds=590)
        stays(lambda: len(receiver.requests) == 1)
        clock.pass_time(seconds=10)
        receiver.until(2)


def test_410_ends_it_at_once_until_somebody_enables_it(shop, api, receiver):
    receiver.answer = lambda _: (410, {})
    one = subscribe(api, receiver.url)
    with sending(shop):
        (first,) = touches(shop, "1")
        until(lambda: state(api, one)["state"] == "disabled")
        assert "gone (410)" in state(api, one)["why"]
        (second,) = touches(shop, "2")
        stays(lambda: receiver.ids == [first])
        receiver.answer = lambda _: (202, {})
        assert api.post(f"/v1/webhooks/{one['id']}/enabled").json()["state"] == "enabled"
        receiver.until(3)
    assert receiver.ids == [first, first, second]


def test_a_day_of_failures_ends_it_with_a_reason(shop, api, clock, receiver):
    receiver.answer = lambda _: (400, {})
    one = subscribe(api, receiver.url)
    with sending(shop):
        touches(shop, "1")
        until(lambda: state(api, one)["attempts"] == 1)
        for attempt in range(2, 6):
            clock.pass_time(hours=6)
            until(lambda attempt=attempt: state(api, one)["attempts"] == attempt or state(api, one)["why"])
        told = until(lambda: state(api, one)["why"])
    assert told == "it took nothing for a day; at last: 400"
    assert state(api, one)["state"] == "disabled"
    assert state(api, one)["position"] == 0


def test_enabling_does_not_wait_for_the_next_attempt(shop, api, receiver):
    receiver.answer = lambda _: (500, {})
    one = subscribe(api, receiver.url)
    with sending(shop):
        touches(shop, "1")
        until(lambda: state(api, one)["attempts"] == 1)
        receiver.answer = lambda _: (200, {})
        api.post(f"/v1/webhooks/{one['id']}/enabled")
        until(lambda: state(api, one)["behind"] == 0)


def test_a_redirect_is_not_followed(shop, api, receiver):
    with receiving() as elsewhere:
        receiver.answer = lambda _: (307, {"Location": f"{elsewhere.url}/there"})
        one = subscribe(api, receiver.url)
        with sending(shop):
            touches(shop, "1")
            until(lambda: state(api, one)["attempts"] == 1)
        assert elsewhere.requests == []
        assert state(api, one)["last_answer"] == "307"


def test_a_new_secret_signs_beside_the_old_one_for_a_day(shop, api, receiver):
    clock = SystemClock()
    one = subscribe(api, receiver.url)
    shop.clock.at = clock.now()
    second = api.post(f"/v1/webhooks/{one['id']}/secret").json()["secret"]
    assert second not in (one["secret"], "")
    with sending(shop, clock):
        touches(shop, "1")
        receiver.until(1)
        (request,) = receiver.requests
        for secret in (one["secret"], second):
            assert Webhook(secret).verify(request.body, request.headers)
        assert len(request.headers["webhook-signature"].split()) == 2
        shop.clock.at = clock.now() - timedelta(hours=25)
        third = api.post(f"/v1/webhooks/{one['id']}/secret").json()["secret"]

        def signed_by_two():
            touches(shop, new_id())
            return (
                len(receiver.requests[-1].headers["webhook-signature"].split()) == 2 and third in verifying()
            )

        def verifying():
            found = []
            for secret in (one["secret"], second, third):
                try:
                    Webhook(secret).verify(receiver.requests[-1].body, receiver.requests[-1].headers)
                    found.append(secret)
                except WebhookVerificationError:
                    pass
            return found

        until(signed_by_two)
        assert verifying() == [one["secret"], third], "the second was replaced more than a day ago"


def test_the_request_after_a_rotation_is_signed_by_both_though_nobody_looked_again(
    shop, api, receiver, monkeypatch
):
    """A sender looks every few seconds which webhooks there are; a secret given out holds from its answer on."""
    shop.clock.at = SystemClock().now()
    one = subscribe(api, receiver.url)
    with sending(shop, SystemClock()):
        touches(shop, "1")
        receiver.until(1)
        monkeypatch.setattr(
            sender_module, "LOOK_SECONDS", 5.0
        )  # seldom; a sender that lost its turn goes on then
        for number in range(2, 5):
            fresh = api.post(f"/v1/webhooks/{one['id']}/secret").json()["secret"]
            touches(shop, str(number))
            receiver.until(number)
            for secret in (one["secret"], fresh):
                assert Webhook(secret).verify(receiver.requests[-1].body, receiver.requests[-1].headers)


def test_too_many_secrets_at_once_are_refused(shop, api, receiver):
    one = subscribe(api, receiver.url)
    answers = [api.post(f"/v1/webhooks/{one['id']}/secret") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 4 + [422]


def test_a_secret_is_told_once_and_kept_sealed(shop, api, receiver):
    one = subscribe(api, receiver.url)
    assert one["secret"].startswith("whsec_")
    listed = api.get("/v1/webhooks").text + api.get(f"/v1/webhooks/{one['id']}").text
    assert "whsec_" not in listed
    with shop.engine.connect() as connection:
        (sealed,) = connection.execute(text("SELECT secrets FROM webhook")).one()
    assert one["secret"].removeprefix("whsec_").encode() not in bytes(sealed)
    assert api.delete(f"/v1/webhooks/{one['id']}").json()["id"] == one["id"]
    with shop.vault_engine.connect() as connection:
        kept = text("SELECT count(*) FROM data_key WHERE key_id LIKE 'webhook:%'")
        assert connection.execute(kept).scalar_one() == 0
    assert api.get(f"/v1/webhooks/{one['id']}").status_code == 404


def test_a_deleted_webhook_is_sent_no_more(shop, api, receiver):
    one = subscribe(api, receiver.url)
    other = subscribe(api, f"{receiver.url}/other")
    with sending(shop):
        touches(shop, "1")
        receiver.until(2)
        until(lambda: state(api, one)["behind"] == 0)
        api.delete(f"/v1/webhooks/{one['id']}")
        touches(shop, *"2345")
        until(lambda: state(api, other)["behind"] == 0)
    to_the_other = [request.path for request in receiver.requests].count("/other")
    assert to_the_other == 5
    assert len(receiver.requests) - to_the_other <= 2, "at most the one that was under way"


def test_one_that_never_answers_and_one_that_is_not_there_hold_up_nobody(shop, api, receiver, monkeypatch):
    monkeypatch.setattr(posting, "SECONDS", 2.0)
    silent = socket.socket()
    silent.bind(("127.0.0.1", 0))
    silent.listen(50)
    nobody = socket.socket()
    nobody.bind(("127.0.0.1", 0))
    held = [subscribe(api, f"http://127.0.0.1:{silent.getsockname()[1]}/{n}") for n in range(20)]
    away = subscribe(api, f"http://127.0.0.1:{nobody.getsockname()[1]}")
    one = subscribe(api, receiver.url)
    with sending(shop):
        began = time.monotonic()
        expected = touches(shop, *map(str, range(20)))
        until(lambda: state(api, one)["behind"] == 0)
        assert time.monotonic() - began < 2
        until(lambda: state(api, away)["attempts"] == 1)
        until(lambda: all(state(api, each)["attempts"] == 1 for each in held))
    assert receiver.ids == expected
    assert state(api, held[0])["last_answer"] == "no answer within 2 seconds"
    assert state(api, away)["last_answer"] == "no connection, or it was cut"
    silent.close()
    nobody.close()


def test_an_endless_or_senseless_answer_harms_nobody(shop, api, receiver):
    def endless(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        try:
            while True:
                connection.sendall(b"x" * 65_536)
        except OSError:
            pass

    def senseless(connection):
        connection.sendall(b"\x00\xff" * 100 + b"\r\n\r\n")

    for speak, expected in ((endless, "200"), (senseless, "its answer is not HTTP")):
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen()

            def work(server=server, speak=speak):
                connection, _ = server.accept()
                with connection:
                    connection.recv(65_536)
                    speak(connection)

            threading.Thread(target=work, daemon=True).start()
            one = subscribe(api, f"http://127.0.0.1:{server.getsockname()[1]}")
            with sending(shop):
                touches(shop, new_id())
                assert until(lambda one=one: state(api, one)["last_answer"]) == expected
            api.delete(f"/v1/webhooks/{one['id']}")


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.2/", "https://localhost/", "https://169.254.169.254/latest", "https://[::1]/",
        "https://10.0.0.1/", "https://[::ffff:127.0.0.2]/", "https://0x7f000002/", "http://example.com/",
        "https://no-such-name.invalid/", "https://ann:pw@127.0.0.1/", "file:///etc/passwd", "",
    ],
)  # fmt: skip
def test_nothing_is_sent_to_our_own_machines(api, url):
    answer = api.post("/v1/webhooks", json={"url": url})
    assert answer.status_code == 422
    assert answer.json()["code"].startswith("url.")
    assert read(api, "/v1/webhooks") == {"webhooks": []}


def test_a_name_that_says_another_address_later_leads_nowhere(shop, api, receiver, monkeypatch):
    """What was public when it was asked for is looked at again at each sending, and connected to as looked at."""
    port = int(receiver.url.rpartition(":")[2])
    addresses = ["93.184.216.34"]
    real = socket.getaddrinfo

    def resolver(host, asked, *args, **more):
        if host != "rebound.example":
            return real(host, asked, *args, **more)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, asked)) for one in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    one = subscribe(api, f"https://rebound.example:{port}/")
    addresses[:] = ["127.0.0.1"]
    with sending(shop):
        touches(shop, "1")
        until(lambda: state(api, one)["attempts"] == 1)
    assert state(api, one)["last_answer"] == "its address is not a public one"
    addresses[:] = ["93.184.216.34", "10.0.0.1"]
    answer = api.post("/v1/webhooks", json={"url": "https://rebound.example/"})
    assert (answer.status_code, answer.json()["code"]) == (422, "url.not_allowed")
    assert receiver.requests == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid"), ({"topics": ["none"]}, "topic.invalid"), ({"types": ["touch.none"]}, "type.invalid"),
        ({"after": 10}, "cursor.ahead"), ({"after": -1}, "invalid"), ({"description": "\0"}, "invalid"),
        ({"secret": "whsec_own"}, "invalid"), ({"topics": ["touch"] * 101}, "invalid"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_and_makes_no_webhook(api, body, code):
    url = {} if body == {} else {"url": "http://127.0.0.1:9/"}
    answer = api.post("/v1/webhooks", json=url | body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert read(api, "/v1/webhooks") == {"webhooks": []}


def test_an_unknown_webhook_is_told(api):
    for method, part in (("GET", ""), ("DELETE", ""), ("POST", "/secret"), ("POST", "/enabled")):
        answer = api.request(method, f"/v1/webhooks/{new_id()}{part}")
        assert (answer.status_code, answer.json()["code"]) == (404, "webhook.unknown")
