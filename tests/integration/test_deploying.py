"""The files for servers: what they name exists. Images can't be built here, so this is all that is known of them."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

import httpx
import psutil
import pytest
import typer
import yaml
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from events.topics import PARTITIONS, events_topic, family_topics, intake_topic, state_topic
from infra.process.supervisor import WHY
from infra.quarantine import codes
from infra.settings import Settings
from infra.topics_admin import create_topics, odd_topics, planned
from models.errors import Refused, Unavailable
from services.cli import commands
from services.cli.operating import ROLES
from services.cli.running import console
from services.cli.stack import environment
from tests.support.faults.crew import until

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "infra/deploy"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
OTHERS = {"JOURNAL_PASSWORD", "VAULT_PASSWORD"}
"""Variables of the compose file itself."""
PATIENCE = 60.0


@pytest.fixture
def cli():
    app = typer.Typer()
    commands.register(app)
    return app


def registered(app: typer.Typer) -> set[str]:
    names = {one.name or one.callback.__name__ for one in app.registered_commands}
    return names | {one.name for one in app.registered_groups}


def test_every_command_of_the_compose_file_and_its_description_exists(cli):
    ours = [one for one in COMPOSE["services"].values() if one["image"] == "touchstone"]
    assert len(ours) == len(ROLES) + 1  # and the set-up
    lines = [" ".join(one["command"]) for one in ours]
    text = "\n".join([*lines, (FOLDER / "README.md").read_text(), (ROOT / "docs/operating.md").read_text()])
    said = set(re.findall(r"(?<!/)\btouchstone ([a-z-]+)", text)) - {"up"}
    assert {"migrate", "topics", "worker", "rebuild", "replay"} <= said
    assert said - registered(cli) == set()
    modules = set(re.findall(r"python -m ([a-z.]+)", text))
    assert modules
    assert all(find_spec(name) for name in modules)


def test_every_variable_of_the_deployment_is_a_setting_or_its_own():
    known = {
        str(field.validation_alias or f"TOUCHSTONE_{name}".upper())
        for name, field in Settings.model_fields.items()
    }
    for one in COMPOSE["services"].values():
        if one["image"] == "touchstone":
            assert one["environment"].keys() <= known
    asked = set(re.findall(r"\$\{(\w+)", (FOLDER / "compose.yaml").read_text()))
    offered = set(re.findall(r"^(\w+)=", (FOLDER / ".env.example").read_text(), re.MULTILINE))
    assert asked == offered
    assert asked - OTHERS <= known


def test_the_compose_file_waits_for_what_it_needs_and_keeps_what_must_be_kept():
    services = COMPOSE["services"]
    for name, one in services.items():
        for other, told in (one.get("depends_on") or {}).items():
            healthy = told["condition"] == "service_healthy"
            assert ("healthcheck" in services[other]) if healthy else services[other]["restart"] == "no", name
        for volume in one.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or (FOLDER / source).exists()
    scraped = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())["scrape_configs"][0]["dns_sd_configs"]
    assert {name for one in scraped for name in one["names"]} <= services.keys()


def test_every_process_runs_under_a_parent_and_prometheus_asks_both():
    """Docker starts again what ends, and nothing that is frozen."""
    ours = {name for name, one in COMPOSE["services"].items() if one["image"] == "touchstone"} - {"setup"}
    assert ours == ROLES.keys()
    for name in ours:
        assert COMPOSE["services"][name]["command"] == ["touchstone", "worker", name]
    own = {"gateway": Settings().gateway_port, "api": Settings().api_port}
    expected = set()
    for name in ours:
        first = int(COMPOSE["services"][name]["environment"]["TOUCHSTONE_METRICS_PORT"])
        expected |= {(name, own.get(name, first)), (name, first + 1)}
        asked = COMPOSE["services"][name]["healthcheck"]["test"][-1]
        assert f":{own.get(name, first)}/health/live" in asked
    (job,) = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())["scrape_configs"]
    assert {(name, one["port"]) for one in job["dns_sd_configs"] for name in one["names"]} == expected


def test_a_database_counts_as_there_when_it_answers_over_the_network():
    """The image answers on its socket alone while it makes the database, and then ends once more."""
    for name in ("journal", "vault"):
        assert "pg_isready -h 127.0.0.1 " in COMPOSE["services"][name]["healthcheck"]["test"][1]


def test_what_pages_at_the_first_occurrence_is_there_at_0_in_a_process_that_has_just_begun(settings):
    with ExitStack() as those:
        served = {role: those.enter_context(running(role, settings)) for role in ("projector", "gateway")}
        for role, (process, parent) in served.items():
            told = until_told(parent, "touchstone_process_ended_total")
            assert told == {(("process", role), ("why", why)): 0 for why in WHY}
            told = until_told(process, "touchstone_quarantined_total")
            known = {(("code", code),) for code in (*codes.DEFECTS, *codes.STRANGE, *codes.SENT)}
            assert known < told.keys()
            assert set(told.values()) == {0}
        told = until_told(served["projector"][0], "touchstone_set_aside_total")
        assert told == {(("code", code), ("reader", "projector")): 0 for code in codes.of_reader("projector")}
        told = until_told(served["gateway"][0], "touchstone_verdicts_total")
        assert set(told.values()) == {0}


def test_a_gateway_that_is_frozen_is_replaced_by_its_parent_which_counts_it(settings):
    with running("gateway", settings) as (process, parent):
        until_told(process, "touchstone_received_total")
        (frozen,) = (one for one in children(parent) if "services.gateway" in one.cmdline())
        frozen.send_signal(signal.SIGSTOP)
        ended = (("process", "gateway"), ("why", "silent"))
        until(
            lambda: told_at(parent, "touchstone_process_ended_total").get(ended) == 1, PATIENCE,
            "its parent let it be",
        )  # fmt: skip
        until_told(process, "touchstone_received_total")


@contextmanager
def running(role: str, settings: Settings) -> Iterator[tuple[int, int]]:
    """A process under its parent as in the compose file; the ports where it and its parent serve figures."""
    first, door = free_ports(), free_ports()
    env = {
        **environment(settings), "TOUCHSTONE_METRICS_PORT": str(first), "TOUCHSTONE_API_KEYS": "test-key",
        "TOUCHSTONE_GATEWAY_PORT": str(door),
    }  # fmt: skip
    with (settings.var / f"{role}.out").open("wb") as output:
        parent = subprocess.Popen(
            [sys.executable, "-m", "services.cli", "worker", role], env=env, stdout=output, stderr=output
        )
    try:
        yield door if role == "gateway" else first, first + 1
    finally:
        parent.terminate()
        parent.wait(PATIENCE)


def free_ports() -> int:
    """The first of two ports in a row that are free just now."""
    while True:
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            first = int(one.getsockname()[1])
            try:
                two.bind(("127.0.0.1", first + 1))
            except (OSError, OverflowError):
                continue
            return first


def children(port: int) -> list[psutil.Process]:
    """Of our child that serves on a port."""
    (parent,) = (
        one for one in psutil.Process().children()
        if any(at.laddr and at.laddr.port == port for at in one.net_connections())
    )  # fmt: skip
    return parent.children()


def told_at(port: int, figure: str) -> dict[tuple[tuple[str, str], ...], float]:
    """Labels → value of a figure that a process serves; empty where it does not answer."""
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=2)
    except httpx.TransportError:
        return {}
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name == figure
    }


def until_told(port: int, figure: str) -> dict[tuple[tuple[str, str], ...], float]:
    """The same, as soon as there is any."""
    until(lambda: told_at(port, figure), PATIENCE, f"nothing tells {figure}")
    return told_at(port, figure)


def test_the_image_copies_what_there_is_and_runs_as_nobody_special():
    text = (FOLDER / "Dockerfile").read_text()
    copied = [
        one for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE) for one in line.split()
    ]
    assert {"requirements.lock", "events", "services"} <= set(copied)
    assert all((ROOT / one).exists() for one in copied)
    assert "--require-hashes" in text
    assert re.findall(r"^USER (\S+)$", text, re.MULTILINE) == ["10001"]
    sent = {
        line[1:] for line in (FOLDER / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    assert sent == set(copied)


def test_topics_are_made_once_with_what_was_planned_and_a_wrong_one_is_told(kafka, settings):
    prefix = settings.topic_prefix
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    wrong = family_topics(prefix)[0]
    admin.create_topics([NewTopic(wrong, 3)])[wrong].result(30)
    made = create_topics(kafka.bootstrap, prefix)
    assert sorted([*made, wrong]) == sorted(
        [events_topic(prefix), intake_topic(prefix), state_topic(prefix), *family_topics(prefix)]
    )
    assert create_topics(kafka.bootstrap, prefix) == []
    assert odd_topics(kafka.bootstrap, prefix) == {wrong: "has 3 partitions instead of 12"}
    there = admin.list_topics(timeout=30).topics
    assert {len(there[name].partitions) for name in made} == {PARTITIONS}
    plans = {plan.name: plan.settings for plan in planned(prefix, 1)}
    for name in (events_topic(prefix), intake_topic(prefix), state_topic(prefix)):
        (asked,) = admin.describe_configs([ConfigResource("topic", name)]).values()
        told = asked.result(30)
        assert {key: told[key].value for key in plans[name]} == plans[name]


def test_more_replicas_than_brokers_are_refused_and_a_broker_that_is_away_is_told_so(
    kafka, settings, monkeypatch
):
    with pytest.raises(Refused) as told:
        create_topics(kafka.bootstrap, settings.topic_prefix, 3)
    assert told.value.code == "topic.not_made"
    monkeypatch.setattr("infra.topics_admin.TIMEOUT", 0.2)
    with pytest.raises(Unavailable):
        create_topics("127.0.0.1:1", settings.topic_prefix)


def test_with_three_brokers_a_message_is_on_two_before_it_counts():
    for replication, in_sync in ((1, "1"), (2, "1"), (3, "2"), (5, "2")):
        assert {plan.settings["min.insync.replicas"] for plan in planned("t", replication)} == {in_sync}
        assert {plan.replication for plan in planned("t", replication)} == {replication}


def test_topics_can_be_looked_at_without_a_broker_and_their_number_of_partitions_is_no_choice(
    cli, settings, monkeypatch
):
    monkeypatch.setenv("TOUCHSTONE_VAR", str(settings.var))
    monkeypatch.setattr(console, "width", 250)
    runner = CliRunner()
    seen = runner.invoke(cli, ["topics", "--dry-run"])
    assert seen.exit_code == 0
    for plan in planned("touchstone"):
        assert plan.name in seen.output
        assert plan.why in seen.output
    other = runner.invoke(cli, ["topics", "--partitions", "24"])
    assert other.exit_code == 1
    assert "lose their order" in other.output
    assert runner.invoke(cli, ["topics"]).exit_code == 1


def test_migrating_twice_changes_nothing(cli, settings, monkeypatch):
    for name, value in (
        ("DATABASE_URL", settings.database_url), ("VAULT_URL", settings.vault_url),
        ("TOUCHSTONE_VAR", str(settings.var)),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    for _ in range(2):
        done = CliRunner().invoke(cli, ["migrate"])
        assert (done.exit_code, done.output) == (0, "workspace: up to date\nvault: up to date\n")
    monkeypatch.delenv("VAULT_URL")
    assert CliRunner().invoke(cli, ["migrate"]).exit_code == 1
