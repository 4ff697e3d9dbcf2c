"""`touchstone sandbox`: a made-up world on the topics of a broker, for whoever develops a subscriber."""

import json
import os
import subprocess
import sys
from pathlib import Path

from events import registry, schema
from events.topics import events_topic, family_topics
from tests.support.faults.subscribing import listen

ROOT = Path(__file__).parents[2]


def test_a_broker_of_ones_own_gets_every_family_and_everything_that_a_subscriber_must_take(kafka, tmp_path):
    command = [sys.executable, "-m", "services.cli", "sandbox", "--bootstrap", kafka.bootstrap, "--prefix",
               "toy", "--speed", "0"]  # fmt: skip
    known = {name: value for name, value in os.environ.items() if not name.startswith("TOUCHSTONE")}
    ran = subprocess.run(
        command, cwd=tmp_path, env={**known, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        timeout=150, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    heard = listen(kafka.bootstrap, [events_topic("toy"), *family_topics("toy")])
    everything = heard.pop(events_topic("toy"))
    types = {event.type for event in everything.events.values()}
    assert {registry.find(one).family for one in types} == {one.family for one in registry.all_types()}
    assert {"identity.merged", "identity.unmerged", "identity.split", "customer.erased"} <= types
    assert everything.repeats > 0
    assert any((event.recorded_at - event.occurred_at).days > 30 for event in everything.events.values())
    assert all(one.events for one in heard.values())
    said = subprocess.run(
        [sys.executable, "tests/support/subscriber_confluent.py", str(schema.FOLDER / "asyncapi.json"),
         kafka.bootstrap, "toy", "state"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip
    assert len(json.loads(said)) == 4
