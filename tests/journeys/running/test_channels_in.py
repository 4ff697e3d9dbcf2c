"""Systems that nobody here wrote send as they are, and one conversation is one contact whoever tells of it."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.doors import KEY, entrances
from tests.support.goldens import FOLDER
from tests.support.mutating import Payload
from tests.support.system import System

NOW = datetime.now(UTC).replace(microsecond=0)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
DOORS = {one.path: one for one in entrances([])}


def test_call_backs_of_one_call_in_any_order_are_one_contact_whose_course_is_told(system: System):
    calls = [(FOLDER / "twilio_voice" / f"{name}.raw").read_bytes() for name in (
        "06-inbound-completed", "04-child-answered-by-agent", "03-child-rings-an-agent",
        "02-inbound-answered-by-program", "01-inbound-ringing", "06-inbound-completed",
    )]  # fmt: skip
    door = DOORS["/v1/connectors/twilio"]
    for call in calls:
        request = door.request(Payload(call, FORM))
        answer = system.gateway.post(str(request.url.path), content=call, headers=dict(request.headers))
        assert answer.status_code in (200, 204), answer.text
    told = system.read("/v1/contacts/twilio:CA10000000000000000000000000000001")
    assert (told["channel"], told["direction"], told["customer"] != "") == ("voice", "inbound", True)
    assert told["started_at"] == "2026-03-02T09:00:00Z"
    assert told["ended_at"] == "2026-03-02T09:04:03Z"
    assert told["seconds"]["ring"] == 12
    assert "ann.lee" in [leg["agent"] for leg in told["legs"]]

    said = {"reason": "billing.dispute", "outcome": "unresolved", "confirmed": False, "by": "ann.lee"}
    path = f"/v1/contacts/{told['contact_id']}"
    assert system.api.post(f"{path}/wrap-up", json=said).status_code == 202
    assert (
        system.api.post(f"{path}/correct", json={"reason": "roaming.price", "by": "sam"}).status_code == 202
    )
    callback = {"at": (NOW + timedelta(days=1)).isoformat()}
    assert system.api.post(f"{path}/callback", json=callback).status_code == 202
    handover = {"to_channel": "chat", "to_queue": "billing", "note": "wants it in writing"}
    assert system.api.post(f"{path}/handover", json=handover).status_code == 202
    told = system.read(path)
    assert (told["reason"], told["outcome"], told["confirmed"]) == ("roaming.price", "unresolved", False)
    assert (told["callback_asked"], told["handed_to"]) == (True, "chat")


def test_a_switchs_file_is_followed_and_compared_with_its_own_report(system: System, tmp_path: Path):
    log, report = tmp_path / "queue_log", tmp_path / "report.csv"
    lines = [
        "1772442000|1772442000.71|billing|NONE|ENTERQUEUE||+4930901820|1",
        "1772442031|1772442000.71|billing|PJSIP/bea|CONNECT|31|1772442012.72|4",
        "1772442215|1772442000.71|billing|PJSIP/bea|COMPLETECALLER|31|184|1",
        "1772442300|1772442300.73|billing|NONE|ENTERQUEUE||+4930901821|1",
        "1772442340|1772442300.73|billing|NONE|ABANDON|1|1|40",
    ]
    log.write_text("".join(f"{line}\n" for line in lines))
    assert "5" in system.touchstone("connectors", "import", "queues", str(log))
    assert "5" in system.touchstone("connectors", "import", "queues", str(log)), "again, all duplicates"
    answered = system.read("/v1/contacts/queues:1772442000.71")
    assert (answered["seconds"]["wait"], answered["seconds"]["talk"]) == (31, 184)
    abandoned = system.read("/v1/contacts/queues:1772442300.73")
    assert [leg["ended"] for leg in abandoned["legs"]] == ["abandoned"]
    report.write_text("contact,queue,wait,talk\n1772442000.71,billing,31,150\n1772442300.73,billing,40,0\n")
    told = system.shell(
        f".venv/bin/touchstone connectors reconcile queues {report} --day 2026-03-02 --zone UTC --csv || true"
    )
    differences = [line for line in told.splitlines() if "1772442" in line]
    assert [("1772442000.71" in line, "talk" in line) for line in differences] == [(True, True)], told


def test_an_sdks_batch_is_taken_as_it_comes_and_says_of_each_what_became_of_it(system: System):
    batch = [
        {"type": "track", "event": "Invoice Opened", "userId": "u-77", "messageId": "seg-1"},
        {"type": "identify", "userId": "u-77", "messageId": "seg-2", "traits": {"email": "u77@example.com"}},
        {"type": "track", "userId": "u-77", "messageId": "seg-3"},
    ]  # fmt: skip
    body = gzip.compress(json.dumps({"batch": batch, "writeKey": KEY["Authorization"][7:]}).encode())
    key = system.headers["Authorization"].removeprefix("Bearer ")
    headers = {"Content-Type": "text/plain", "Content-Encoding": "identity"}
    answer = system.gateway.post("/v1/batch", content=body, headers=headers, auth=(key, ""))
    told = answer.json()
    assert answer.status_code == 200
    assert (told["received"], told["accepted"], told["quarantined"] + told["refused"]) == (3, 2, 1)


def test_a_cloud_event_is_one_by_whichever_door_it_comes(system: System):
    event = {
        "specversion": "1.0", "id": "ce-77", "source": "/shop/berlin", "type": "touch.recorded",
        "time": NOW.isoformat(), "datacontenttype": "application/json",
        "data": {"identifiers": [{"kind": "email", "value": "ce77@example.com"}],
                 "channel": "store", "direction": "inbound"},
    }  # fmt: skip
    structured = {"Content-Type": "application/cloudevents+json"}
    batch = {"Content-Type": "application/cloudevents-batch+json"}
    binary = {f"ce-{name}": value for name, value in event.items() if name not in ("data", "datacontenttype")}
    first = system.gateway.post("/v1/cloudevents", json=event, headers=structured).json()
    again = system.gateway.post("/v1/cloudevents", json=[event, event], headers=batch).json()
    third = system.gateway.post("/v1/cloudevents", json=event["data"], headers=binary).json()
    assert [first["accepted"], again["duplicates"], third["duplicates"]] == [1, 2, 1], (first, again, third)
