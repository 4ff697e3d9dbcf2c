"""demo: the whole main job on real data, from an empty folder to a target list."""

import json
import os
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import httpx
import msgspec
import typer

from infra.clock import SystemClock
from infra.settings import Settings
from models.errors import Refused, Unavailable
from services.cli import running, serving
from services.cli.foretelling import bars
from services.cli.running import console
from services.cli.serving import NoKafka
from services.demo import data
from services.importer.sending import GatewayProblem

VAR = Path("var/demo")
RULES = Path(data.__file__).parent / "workspace.toml"


class WorldName(StrEnum):
    """What a demo is about."""

    shop = "shop"
    telecom = "telecom"


def demo(
    no_kafka: NoKafka = False,
    world: Annotated[
        WorldName, typer.Option("--world", help="shop: real data. telecom: a simulated telephone company.")
    ] = WorldName.shop,
    exit: Annotated[bool, typer.Option("--exit", help="Stop everything at the end, with status 0.")] = False,
) -> None:
    """The whole main job on real data: 160,081 events in, views, a churn model, two target lists.

    Two public data sets go through the HTTP gateway: the purchases of CDNOW's customers and a bank's
    telephone campaigns. A second run finds everything known and publishes nothing. What it shows is
    written to var/demo: summary.json, report.html and the lists. With --world telecom it is a simulated telephone
    company, 5,000 customers over a year: churn, reasons, a list, and what campaigns with a hold-out brought.
    """
    if world is WorldName.telecom:
        _telecom(no_kafka, exit)
        return
    from ml.artifacts import ArtifactRefused  # loaded when needed: they take seconds
    from ml.training import TooLittleHistory
    from services.demo import report, run, screen, summary
    from services.demo.desk import DeskFailed

    began = time.monotonic()
    settings = Settings()
    if "TOUCHSTONE_VAR" not in os.environ:
        settings = settings.model_copy(update={"var": VAR})
    if settings.workspace is None:
        settings = settings.model_copy(update={"workspace": RULES})
    if running.running(settings.var):
        running.fail("a demo runs here already: `touchstone status` tells more, `touchstone down` stops it")
    try:
        with console.status("Fetching the two data sets"):
            files = data.fetch(settings.var / "data")
    except data.DataMissing as error:
        running.fail(str(error))
    held = serving.start(settings, no_kafka=no_kafka)
    failed = True
    try:
        result = run.run(held, files, time.monotonic() - began, console)
        report.write(result, held.settings.var / "report.html", SystemClock().now())
        written = json.dumps(summary.summary(result), indent=2)
        (held.settings.var / "summary.json").write_text(written + "\n")
        screen.show(result, console)
        failed = False
    except (
        GatewayProblem, Unavailable, Refused, DeskFailed, ArtifactRefused, TooLittleHistory, httpx.HTTPError,
    ) as error:  # fmt: skip
        console.print(f"[red]{error}[/red]\nLogs are in {held.settings.var / 'logs'}.", soft_wrap=True)
    except KeyboardInterrupt:
        console.print("Stopped.")
    finally:
        if failed or exit:
            serving.stop(held)
    if failed:
        raise typer.Exit(1)
    if not exit:
        console.print("It goes on running: look around. Ctrl-C stops everything.")
        serving.wait_and_stop(held)


def _telecom(no_kafka: bool, exit: bool) -> None:
    from ml.artifacts import ArtifactRefused  # loaded when needed: they take seconds
    from ml.leak import LeakFound
    from ml.training import TooLittleHistory
    from services.demo import telecom

    settings = Settings()
    if "TOUCHSTONE_VAR" not in os.environ:
        settings = settings.model_copy(update={"var": Path("var/telecom")})
    if settings.workspace is None:
        settings = settings.model_copy(update={"workspace": telecom.RULES})
    if running.running(settings.var):
        running.fail("a demo runs here already: `touchstone status` tells more, `touchstone down` stops it")
    held = serving.start(settings, no_kafka=no_kafka)
    failed = True
    try:
        done = telecom.run(held, console, bars)
        written = held.settings.var / "summary.json"
        written.write_bytes(msgspec.json.format(msgspec.json.encode(done, enc_hook=str)))
        console.print(f"report of the training: {done.report}\nfigures: {written}", soft_wrap=True)
        failed = False
    except (
        GatewayProblem, Unavailable, Refused, ArtifactRefused, LeakFound, TooLittleHistory, httpx.HTTPError,
    ) as error:  # fmt: skip
        console.print(f"[red]{error}[/red]\nLogs are in {held.settings.var / 'logs'}.", soft_wrap=True)
    except KeyboardInterrupt:
        console.print("Stopped.")
    finally:
        if failed or exit:
            serving.stop(held)
    if failed:
        raise typer.Exit(1)
    if not exit:
        console.print("It goes on running: look around. Ctrl-C stops everything.")
        serving.wait_and_stop(held)
