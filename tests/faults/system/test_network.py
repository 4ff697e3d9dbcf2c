"""A bad network between our processes and their servers: delayed, dropped, cut, half-open, byte by byte."""

import time
from collections.abc import Sequence

import pytest

from infra.process import watchdog
from tests.support.faults.crew import until
from tests.support.faults.load import Load
from tests.support.faults.proxy import Link, Mode
from tests.support.faults.rig import Rig
from tests.support.faults.senders import Answer

RECOVERS_SECONDS = 90.0
LINKS = ("database", "broker")


def test_a_network_that_delays_drops_cuts_or_dribbles_breaks_no_promise(
    system: Rig, long: bool, figures: dict[str, object]
) -> None:
    bad: list[tuple[str, Mode]] = [
        (to, mode) for to in LINKS for mode in ("delay", "drop", "cut", "one-byte")
    ]
    system.chance("network").shuffle(bad)
    with system.load() as load:
        for to, mode in bad:
            figures[f"{mode} to the {to}: on after s"] = _bad_for(
                system, load, [to], mode, 20 if long else 1.5
            )
        load.settle()
        _expect(load.answers.since(0, "gateway"), {200, 503})
    figures |= system.judge()


def test_connections_that_go_half_open_are_noticed_and_replaced(
    system: Rig, long: bool, figures: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits on one for ever is replaced by its parent, which in the short form waits less."""
    if not long:
        monkeypatch.setattr(watchdog, "WAITING_SECONDS", 12.0)
    with system.load() as load:
        for to in (["database"], ["broker"], LINKS) if long else (LINKS,):
            figures[f"half-open to {' and '.join(to)}: on after s"] = _bad_for(
                system, load, to, "half-open", 2
            )
        load.settle()
        answers = load.answers.since(0, "gateway")
        _expect(answers, {0, 200, 503})  # 0: it was just being replaced
        assert not [one for one in answers if one.error == "ReadTimeout"]
    figures |= system.judge()


def _bad_for(system: Rig, load: Load, to: Sequence[str], mode: Mode, seconds: float) -> float:
    """Bad for so long, then well again; how long after that until all goes on."""
    links: list[Link] = [getattr(system, name) for name in to]
    until(lambda: _taken(load, 0), 30, "the gateway takes nothing")
    for link in links:
        system.network.turn(link, mode)
    time.sleep(seconds)
    for link in links:
        system.network.turn(link, "pass")
    well = time.monotonic()
    until(
        lambda: _taken(load, well), RECOVERS_SECONDS, "the gateway takes nothing, though the network is well"
    )
    until(lambda: _told(load, well), RECOVERS_SECONDS, "the API tells nothing, though the network is well")
    head = system.head()
    until(lambda: system.folded() >= head, RECOVERS_SECONDS, "nothing is folded, though the network is well")
    return round(time.monotonic() - well, 1)


def _taken(load: Load, since: float) -> bool:
    return any(one.status == 200 for one in load.answers.since(since, "gateway"))


def _told(load: Load, since: float) -> bool:
    return any(one.status in (200, 202) for one in load.answers.since(since, "api"))


def _expect(answers: list[Answer], statuses: set[int]) -> None:
    bad = [one for one in answers if one.status not in statuses]
    assert not bad, bad[:5]
    assert all(one.retry_after for one in answers if one.status == 503), "a 503 without Retry-After"
