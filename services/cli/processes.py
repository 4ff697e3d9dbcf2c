"""The processes of a running stack: found by what their parent runs, and asked whether they can work."""

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from services.cli.running import Running
from services.cli.stack import EVERY

PARENT = "supervisor"
ANSWER_SECONDS = 3.0
"""A little longer than a process takes to ask what it depends on."""
STARTING_SECONDS = 30.0
"""So long a process that was started once may take to be ready."""
STARTS = "touchstone_process_ended_total"
_COMMANDS = {spec.name: ["-m", spec.module, *spec.arguments] for spec in EVERY}
_STOPPED = (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)


@dataclass(frozen=True, slots=True)
class Seen:
    """A process: its state in words, since when it runs, and how often it was started again, where known."""

    name: str
    state: str
    well: bool
    since: datetime | None = None
    again: int | None = None


def seen(told: Running, now: datetime) -> list[Seen]:
    """All that the stack consists of, its parent last."""
    ports = {name: port for name, port in told.metrics.items() if name != PARENT}
    with ThreadPoolExecutor(len(told.metrics)) as pool:  # what hangs delays nobody else's answer
        asked = {name: pool.submit(wrong_with, f"http://127.0.0.1:{port}") for name, port in ports.items()}
        again = pool.submit(_again, told.metrics[PARENT]).result()
        wrong = {name: answer.result() for name, answer in asked.items()}
    children = _children(told.pid)
    found = [_seen(name, children.get(name), wrong[name], again, now) for name in ports]
    return [*found, _parent(told, answers=again is not None)]


def wrong_with(url: str) -> str:
    """Why whoever serves at an address can't do its work, in words; "" if it can."""
    try:
        answer = httpx.get(f"{url}/health/ready", timeout=ANSWER_SECONDS)
    except httpx.TimeoutException:
        return "does not answer in time"
    except httpx.HTTPError:
        return "is not to be reached"
    if answer.status_code == 200:
        return ""
    try:
        why = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        why = answer.text.strip()
    return f"is not ready ({answer.status_code}): {why}"


def _seen(
    name: str, process: psutil.Process | None, wrong: str, again: Mapping[str, int] | None, now: datetime
) -> Seen:
    starts = None if again is None else again.get(name, 0)
    try:
        since = _since(process) if process else None
        stopped = process is not None and process.status() in _STOPPED
    except psutil.Error:
        since = None
    if since is None:
        return Seen(name, "does not run", False, None, starts)
    if stopped:
        return Seen(name, "is stopped (SIGSTOP)", False, since, starts)
    young = (now - since).total_seconds() < STARTING_SECONDS
    if wrong and young and starts == 0:
        return Seen(name, "starts", True, since, starts)
    return Seen(name, wrong or "ready", not wrong, since, starts)


def _parent(told: Running, *, answers: bool) -> Seen:
    since = datetime.fromtimestamp(told.began, UTC)
    if answers:
        return Seen(PARENT, "watches them", True, since)
    return Seen(PARENT, "does not answer: nobody starts again what ends", False, since)


def _children(parent: int) -> dict[str, psutil.Process]:
    """What the parent runs, by name."""
    found: dict[str, psutil.Process] = {}
    try:
        for child in psutil.Process(parent).children():
            command = child.cmdline()[1:]
            found |= {name: child for name, own in _COMMANDS.items() if own == command}
    except psutil.Error:
        pass  # it ended while we looked: so it does not run
    return found


def _again(port: int) -> dict[str, int] | None:
    """How often the parent has started each process again; None where it does not answer."""
    try:
        page = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=ANSWER_SECONDS).raise_for_status().text
    except httpx.HTTPError:
        return None
    starts: Counter[str] = Counter()
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name == STARTS:
                starts[sample.labels["process"]] += int(sample.value)
    return dict(starts)


def _since(process: psutil.Process) -> datetime:
    return datetime.fromtimestamp(process.create_time(), UTC)
