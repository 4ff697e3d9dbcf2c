"""simulate: a telephone company with customers who call, buy, complain and leave."""

import signal
import threading
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from infra.clock import SystemClock
from services.cli.running import console, fail, settings
from services.cli.working import moment
from services.importer.sending import GatewayProblem


def simulate(
    customers: Annotated[int, typer.Option("--customers", "-n", help="How many.")] = 5_000,
    months: Annotated[int, typer.Option("--months", "-m", help="How long, until now.")] = 12,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same world, to the byte.")] = 1,
    effect: Annotated[
        float, typer.Option("--effect", help="Strength of what campaigns do; 0: nothing.")
    ] = 1.0,
    begin: Annotated[str, typer.Option("--begin", help="Its first day; by default so many months ago.")] = "",
    to: Annotated[
        Path | None, typer.Option("--to", help="Into a file of items (.ndjson, .ndjson.gz), not the gateway.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option("--truth", help="Write what only the world knows, for judging.")
    ] = None,
    parts: Annotated[bool, typer.Option("--parts", help="Tell calls part by part, as switches do.")] = False,
    live: Annotated[bool, typer.Option("--live", help="From now on, at the clock's speed.")] = False,
    speed: Annotated[
        float, typer.Option("--speed", help="With --live: so many times faster than the clock.")
    ] = 1.0,
) -> None:
    """Simulate a telephone company: history through the gateway, or with --live as it happens, in parts.

    Customers call through queues with patience, chat, use the app and shops, are billed, complain, get offers and
    leave; campaigns have hold-outs and an effect that differs between customers, told in --truth alone.
    """
    from services.simulator.simulating import GatewayAddress  # loaded when needed
    from services.simulator.simulating import simulate as run
    from services.simulator.spec import BadSpec, Spec, months_before

    stop = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    now = SystemClock().now()
    first: datetime = moment(begin) if begin else now if live else months_before(now, months)
    try:
        spec = Spec(
            begin=first, customers=customers, months=months, seed=seed, effect=effect,
            origin="live" if live else "import", speed=speed if live else 1.0, parts=parts or live,
        )  # fmt: skip
        target: Path | GatewayAddress
        if to is None:
            known = settings()
            target = GatewayAddress(known.gateway_url, known.first_key)
        else:
            target = to
        columns = (TextColumn("simulating"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as shown:
            task = shown.add_task("simulating", total=1.0)
            report = run(
                spec,
                target,
                truth=truth,
                stop=stop,
                notice=console.print,
                progress=lambda _, share: shown.update(task, completed=share),
            )
    except (BadSpec, GatewayProblem, OSError) as error:
        fail(str(error))
    where = (
        f"in {to}"
        if to
        else (
            f"= {report.accepted:,} accepted + {report.duplicates:,} duplicates + {report.refused:,} refused "
            f"+ {report.quarantined:,} quarantined"
        )
    )
    console.print(
        f"{report.items:,} items {where}, {report.seconds:.0f} s{', stopped' if report.stopped else ''}"
    )
    if report.untaken:
        for sentence in report.problems:
            console.print(f"· {sentence}", markup=False)
        raise typer.Exit(1)
