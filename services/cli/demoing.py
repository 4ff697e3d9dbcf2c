"""demo: the whole main job on real data, from an empty folder to a target list."""

import json
import os
import time
from collections.abc import Callable
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
from services.cli.stack import Stack
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
        from services.demo import telecom  # loaded when needed: models take seconds

        _run(_settings(telecom.VAR, telecom.RULES), _telecom, no_kafka, exit)
        return
    began = time.monotonic()
    settings = _settings(VAR, RULES)
    try:
        with console.status("Fetching the two data sets"):
            files = data.fetch(settings.var / "data")
    except data.DataMissing as error:
        running.fail(str(error))
    _run(settings, lambda held: _shop(held, files, began), no_kafka, exit)


def _shop(held: Stack, files: dict[str, Path], began: float) -> None:
    from services.demo import report, run, screen, summary

    result = run.run(held, files, time.monotonic() - began, console)
    report.write(result, held.settings.var / "report.html", SystemClock().now())
    written = json.dumps(summary.summary(result), indent=2)
    (held.settings.var / "summary.json").write_text(written + "\n")
    screen.show(result, console)


def _telecom(held: Stack) -> None:
    from services.demo import telecom

    done = telecom.run(held, console, bars)
    written = held.settings.var / "summary.json"
    written.write_bytes(msgspec.json.format(msgspec.json.encode(done, enc_hook=str)))
    console.print(f"report of the training: {done.report}\nfigures: {written}", soft_wrap=True)


def _settings(var: Path, rules: Path) -> Settings:
    """Where a demo lives and by which rules, unless the environment says. Ends where one runs there already."""
    settings = Settings()
    if "TOUCHSTONE_VAR" not in os.environ:
        settings = settings.model_copy(update={"var": var})
    if settings.workspace is None:
        settings = settings.model_copy(update={"workspace": rules})
    if running.running(settings.var):
        running.fail("a demo runs here already: `touchstone status` tells more, `touchstone down` stops it")
    return settings


def _run(settings: Settings, show: Callable[[Stack], None], no_kafka: bool, exit: bool) -> None:
    """Start everything, show it, and keep it running unless told otherwise; a failure stops it with status 1."""
    from ml.artifacts import ArtifactRefused  # loaded when needed: they take seconds
    from ml.leak import LeakFound
    from ml.training import TooLittleHistory
    from services.demo.desk import DeskFailed

    held = serving.start(settings, no_kafka=no_kafka)
    failed = True
    try:
        show(held)
        failed = False
    except (
        GatewayProblem, Unavailable, Refused, DeskFailed, ArtifactRefused, LeakFound, TooLittleHistory, httpx.HTTPError,
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
