"""sandbox: a small made-up world on the topics, for whoever develops a subscriber."""

import itertools
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from infra.customer_state.topic import place_of
from infra.ids import new_id
from infra.settings import Settings
from infra.topics_admin import create_topics
from infra.workspace import Workspace, open_workspace
from services.cli import running, serving
from services.cli.running import console, fail
from services.sandbox.playing import NotPlayed, Player

OWN = Path("var/sandbox")
CARRIED_SECONDS = 60.0
LOOK_SECONDS = 0.2

Speed = Annotated[float, typer.Option(min=0, help="Steps a second; 0: as fast as it can.")]


def sandbox(
    speed: Speed = 5.0,
    loop: Annotated[bool, typer.Option("--loop", help="Round after round, until Ctrl-C.")] = False,
    bootstrap: Annotated[
        str, typer.Option(help="A broker of yours, host:port. Without it: the system that runs here.")
    ] = "",
    prefix: Annotated[
        str, typer.Option(help="With --bootstrap: first part of the topics' names.")
    ] = "sandbox",
) -> None:
    """Play a small made-up world into the topics: every family, a merge, an un-merge, a split, an erasure.

    What it plays stays in the workspace for ever: use one that you can throw away. With --bootstrap it brings
    a workspace of its own, in var/sandbox, and fills topics of its own on your broker.
    """
    pause = 1 / speed if speed else 0.0
    if bootstrap:
        given = Settings().model_copy(update={
            "var": OWN, "database_url": "", "vault_url": "", "kafka_bootstrap": bootstrap, "topic_prefix": prefix,
        })  # fmt: skip
        held = serving.start(given, no_kafka=False)
        try:
            _play(held.settings, pause, loop)
        finally:
            serving.stop(held)
        return
    known = running.found()
    if known is None or running.running(known.var) is None:
        fail("no system runs here: start one with `touchstone up`, or name a broker with --bootstrap")
    if not known.kafka_bootstrap:
        fail("the system that runs here has no Kafka: name a broker with --bootstrap")
    _play(known, pause, loop)


def _play(settings: Settings, pause: float, loop: bool) -> None:
    create_topics(settings.kafka_bootstrap, settings.topic_prefix)
    workspace = open_workspace(settings)
    try:
        player = Player(workspace, pause, lambda sentence: console.print(sentence, markup=False))
        rounds = itertools.count() if loop else range(1)
        with suppress(KeyboardInterrupt):
            for _ in rounds:
                for name, customer in player.play(new_id()[-8:]).items():
                    console.print(f"{name} is customer {customer}")
        _carried(workspace)
        console.print(f"It is on {settings.topic_prefix}.* of {settings.kafka_bootstrap}")
    except NotPlayed as error:
        fail(str(error))
    finally:
        workspace.close()


def _carried(workspace: Workspace) -> None:
    """Wait until the topics have it all."""
    head, until = workspace.journal.head(), time.monotonic() + CARRIED_SECONDS
    while True:
        place = place_of(workspace.engine, workspace.settings.topic_prefix)
        if place is not None and not place[1] and place[0] >= head:
            return
        if time.monotonic() > until:
            fail(
                f"the topics do not have it all after {CARRIED_SECONDS:.0f} s: `touchstone status` says more"
            )
        time.sleep(LOOK_SECONDS)
