"""Broker and database killed, frozen, away: the doors answer as promised, and all recovers by itself."""

import time

from tests.support.faults.crew import until
from tests.support.faults.rig import Rig, server_process
from tests.support.faults.senders import Answer

RECOVERS_SECONDS = 90.0


def test_the_gateway_answers_200_whatever_becomes_of_the_broker(
    system: Rig, long: bool, figures: dict[str, object]
) -> None:
    with system.load() as load:
        for how in (_killed, _frozen, _away) if long else (_frozen, _away):
            how(system, long)
            head, back = system.head(), f"folded after it was {how.__name__[1:]}, s"
            figures[back] = round(_folded(system, head), 1)
        load.settle()
        answers = load.answers.since(0, "gateway")
        bad = [one for one in answers if one.status != 200]
        assert not bad, bad[:5]
        figures |= {"answers": len(answers), "slowest s": round(max(one.seconds for one in answers), 2)}
    figures |= system.judge()


def _folded(system: Rig, head: int) -> float:
    return until(lambda: system.folded() >= head, RECOVERS_SECONDS, "nothing is folded again")


def _killed(system: Rig, _: bool) -> None:
    system.kill_server(system.kafka)
    until(system.kafka.alive, RECOVERS_SECONDS, "the broker was not started again")


def _frozen(system: Rig, long: bool) -> None:
    with system.frozen(server_process(system.kafka).pid):
        time.sleep(30 if long else 5)


def _away(system: Rig, long: bool) -> None:
    with system.away(system.kafka):
        time.sleep(60 if long else 3)
    until(system.kafka.alive, RECOVERS_SECONDS, "the broker was not started again")


def test_without_the_database_the_doors_say_503_and_all_recovers_by_itself(
    system: Rig, long: bool, figures: dict[str, object]
) -> None:
    for _ in range(5 if long else 1):
        with system.load() as load:
            until(lambda: len(load.answers.since(0, "gateway")) > 10, 10, "the gateway takes nothing")
            system.kill_server(system.postgres)
            until(system.postgres.alive, RECOVERS_SECONDS, "PostgreSQL was not started again")
            load.settle()
            refused = _refused(load.answers.since(0))
            figures["refused"] = len(refused) + int(str(figures.get("refused", 0)))
            assert refused, "nobody noticed that the database was killed"
        figures |= {"caught up after s": round(system.wait_caught_up(), 1)}
    figures |= system.judge()


def _refused(answers: list[Answer]) -> list[Answer]:
    """The 503s; anything else than those and a success is a broken promise."""
    bad = [one for one in answers if one.status not in (200, 202, 404, 308, 503)]
    assert not bad, bad[:5]
    refused = [one for one in answers if one.status == 503]
    silent = [one for one in refused if not one.retry_after]
    assert not silent, f"503 without Retry-After: {silent[:5]}"
    return refused
