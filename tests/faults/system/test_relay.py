"""The relay dies between sending and noting it; the topic vanishes: subscribers and views notice nothing."""

import subprocess
import sys

from confluent_kafka.admin import AdminClient

from events.topics import events_topic
from infra.topics_admin import create_topics, topic_id
from services.cli.stack import environment
from tests.support.faults import crashing_relay, progress
from tests.support.faults.crew import until
from tests.support.faults.rig import Rig

CRASH_SECONDS = 60.0
REMADE_SECONDS = 60.0


def test_a_relay_that_crashes_after_sending_makes_no_subscriber_hear_twice(
    system: Rig, long: bool, figures: dict[str, object]
) -> None:
    crashes = 20 if long else 2
    with system.load() as load:
        for _ in range(crashes):
            done = subprocess.run(
                [sys.executable, "-m", crashing_relay.__name__], env=environment(system.settings),
                capture_output=True, text=True, timeout=CRASH_SECONDS, check=False,
            )  # fmt: skip
            assert done.returncode == crashing_relay.DIED, done.stderr
        load.settle()
    found = system.judge()
    figures |= {"crashes": crashes} | found
    assert found["repeats on topics"] >= crashes


def test_a_topic_deleted_and_made_anew_is_filled_again_and_the_views_stay_as_they_were(
    system: Rig, long: bool, figures: dict[str, object]
) -> None:
    """In the short form the readers are killed too: by themselves they look for another topic twice a minute."""
    topic, bootstrap = events_topic(system.settings.topic_prefix), system.kafka.bootstrap
    with system.load() as load:
        until(lambda: system.folded() > 100, 30, "nothing is folded")
        admin = AdminClient({"bootstrap.servers": bootstrap})
        admin.delete_topics([topic])[topic].result(30)
        until(
            lambda: topic in create_topics(bootstrap, system.settings.topic_prefix), REMADE_SECONDS,
            "the broker does not forget the topic",
        )  # fmt: skip
        new = topic_id(bootstrap, topic)
        until(lambda: new in progress.sent_to(system.workspace), REMADE_SECONDS, "the relay notices nothing")
        if not long:
            for name in ("projector", "policies"):
                system.kill(name)
        load.settle()
    figures["caught up after s"] = round(system.wait_caught_up(), 1)
    figures |= system.judge()
