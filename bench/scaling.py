"""What many events a day need, reckoned from one run's figures: the tables in docs/scaling.md."""

import math
import re
from pathlib import Path as File

from bench.figures import Path
from bench.report import DOCS, Report
from events.topics import PARTITIONS
from infra.topics_admin import planned

DAY = 1_000_000_000
SECONDS = 86_400
PEAK = 3.0
"""The busiest hour beside the day's mean: an assumption."""
BUSY = 0.6
"""How much of a core or of a shard may be used at the peak, so that a lost machine is borne."""
BATCHED = 0.9
"""The share of events that come in batches or over Kafka; the rest are single requests: an assumption."""
CORE_HOUR = 0.04
FAST_GB_MONTH = 0.10
SLOW_GB_MONTH = 0.023
"""Dollars, as list prices of the large clouds go: an assumption."""
HOURS = 730
MARK = re.compile(r"(?s)(<!-- figures -->\n).*?(<!-- end -->)")


def write(report: Report, docs: File = DOCS) -> bool:
    """Put the tables in their place; False where the run lacks a path that they rest on."""
    page = docs / "scaling.md"
    try:
        tables = reckon(report)
    except KeyError:
        return False
    page.write_text(MARK.sub(lambda found: f"{found[1]}{tables}{found[2]}", page.read_text()))
    return True


def reckon(report: Report) -> str:
    """Rates, cores, bytes and dollars. Raises KeyError for a figure that is not there."""
    paths = {path.name: path for path in report.paths}
    mean = DAY / SECONDS
    peak = mean * PEAK
    single, batch = (
        figure(paths["gateway"], "gateway, one core"),
        figure(paths["gateway_batches"], "gateway process"),
    )
    append = figure(paths["journal_append"], "append, customer recognised")
    relay, message = figure(paths["relay"], "relay"), figure(paths["relay"], "a message")
    fold, sent = paths["projector"].cpu, paths["relay"].cpu
    shards = math.ceil(peak / (min(append, relay) * BUSY))
    cores = {
        "gateways, single requests": peak * (1 - BATCHED) / (single * BUSY),
        "gateways, batches": peak * BATCHED / (batch * BUSY),
        "projectors": peak * fold["worker 0, 1 worker"] / 1e6 / BUSY,
        "PostgreSQL, folding": peak * fold["PostgreSQL, 1 worker"] / 1e6 / BUSY,
        "PostgreSQL, appending": peak * paths["journal_append"].cpu["PostgreSQL"] / 1e6 / BUSY,
        "relays": peak * sent["relay"] / 1e6 / BUSY,
        "Kafka": 3 * peak * sent["Kafka"] / 1e6 / BUSY,
    }
    journal, views = (figure(paths["growth"], what, last=True) for what in ("journal with", "views with"))
    rebuilt, took = _rebuild(paths["rebuild"])
    day_gb, kafka_gb = DAY * (journal + views) / 1e9, DAY * message * 6 / 1e9
    hours = 365 * DAY / (rebuilt / took) * 2 / 3_600
    wanted = 2 * math.ceil(cores["projectors"] / shards)
    partitions, topics = max(PARTITIONS, wanted), len(planned(""))
    rows = [
        ("mean rate", f"10⁹ ÷ 86,400 s = {mean:,.0f} events/s"),
        ("peak rate", f"× {PEAK:g} (assumed) = {peak:,.0f} events/s"),
        ("one journal's append", f"{append:,.0f}/s, one at a time"),
        ("one journal's relay", f"{relay:,.0f}/s, one at a time"),
        ("journal shards", f"{peak:,.0f} ÷ ({min(append, relay):,.0f}, the slower, × {BUSY:g}) = **{shards}**"),
        ("Kafka partitions",
         f"{partitions} a topic (two a projector of the shard would be {wanted}; fewer than {PARTITIONS} are not made) "
         f"× {topics} topics × {shards} shards = {partitions * topics * shards:,}"),
        *((f"cores: {name}", f"**{math.ceil(need)}**") for name, need in cores.items()),
        ("journal", f"{journal:,.0f} bytes an event with its indexes: {DAY * journal / 1e9:,.0f} GB a day"),
        ("views", f"{views:,.0f} bytes an event with their indexes: {DAY * views / 1e9:,.0f} GB a day"),
        ("Kafka", f"two messages of {message:,.0f} bytes, three replicas: {kafka_gb:,.0f} GB a day"),
        ("rebuild of a year", f"365 × 10⁹ ÷ {rebuilt / took:,.0f}/s on two cores: {hours:,.0f} core hours"),
    ]  # fmt: skip
    all_cores = sum(math.ceil(need) for need in cores.values())
    kept = 30 * day_gb * 2
    costs = [
        ("cores", f"{all_cores:,} × {HOURS} h × ${CORE_HOUR}", all_cores * HOURS * CORE_HOUR),
        ("fast disk, 30 days, two copies", f"{kept:,.0f} GB × ${FAST_GB_MONTH}", kept * FAST_GB_MONTH),
        ("slow storage, the journal of a year", f"{365 * DAY * journal / 1e9:,.0f} GB × ${SLOW_GB_MONTH}",
         365 * DAY * journal / 1e9 * SLOW_GB_MONTH),
        ("Kafka's disk, 3 days", f"{3 * kafka_gb:,.0f} GB × ${FAST_GB_MONTH}", 3 * kafka_gb * FAST_GB_MONTH),
    ]  # fmt: skip
    return "\n".join([
        f"From the run of {report.began_at:%-d %B %Y} on {report.machine.cpu}, {report.machine.cores} cores:", "",
        "| what | reckoned |", "|---|---|", *(f"| {what} | {told} |" for what, told in rows), "",
        "| a month | reckoned | dollars |", "|---|---|---|",
        *(f"| {what} | {told} | {dollars:,.0f} |" for what, told, dollars in costs),
        f"| together | | **{sum(dollars for *_, dollars in costs):,.0f}** |", "",
    ])  # fmt: skip


def figure(path: Path, begins: str, *, last: bool = False) -> float:
    """The median of the first (or last) of our figures whose name begins so."""
    found = [line.own.median for line in path.lines if line.own.what.startswith(begins)]
    if not found:
        raise KeyError(begins)
    return found[-1 if last else 0]


def _rebuild(path: Path) -> tuple[int, float]:
    """Events and seconds of the rebuild."""
    line = path.lines[0].own
    return int(re.sub(r"\D", "", line.what)), line.median
