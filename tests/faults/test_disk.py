"""A full disk under PostgreSQL: 503 until there is room again, and then everything goes on by itself."""

import time
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from infra.workspace import Workspace
from tests.support.faults.crew import until
from tests.support.faults.rig import Rig, server_process
from tests.support.faults.senders import Answer
from tests.support.faults.small_disk import FileSizeLimit, SmallDisk, mountable

FULL_SECONDS = 60.0
RECOVERS_SECONDS = 60.0


@pytest.mark.parametrize("kind", ["tmpfs", "file-size limit"])
def test_a_full_disk_is_told_as_503_and_nothing_acknowledged_is_lost(
    kind: str, seed: int, long: bool, figures: dict[str, object]
) -> None:
    """Where nothing may be mounted, both runs have the limit."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="touchstone-disk-", dir="/tmp")))
        folder.chmod(0o755)
        rig = Rig(folder / "system", seed)
        if kind == "tmpfs" and mountable():
            disk: SmallDisk | FileSizeLimit = stack.enter_context(SmallDisk(rig.postgres.directory))
        else:
            disk = stack.enter_context(FileSizeLimit(lambda: server_process(rig.postgres)))
        stack.callback(rig.stop)
        rig.start(no_kafka=True)
        pid = server_process(rig.postgres).pid
        with rig.load(pace=2) as load:
            until(lambda: len(load.answers.since(0, "gateway")) > 10, 30, "the gateway takes nothing")
            disk.fill()
            until(
                lambda: _refused(load.answers.since(0)), FULL_SECONDS, "nobody notices that the disk is full"
            )
            _use_up_the_log(rig.workspace)
            time.sleep(30 if long else 2)
            disk.free()
            freed = time.monotonic()
            took = until(
                lambda: any(one.status == 200 for one in load.answers.since(freed, "gateway")),
                RECOVERS_SECONDS, "the gateway takes nothing, though the disk has room again",
            )  # fmt: skip
            load.settle()
        refused = _refused(load.answers.since(0))
        figures |= {"disk": disk.name, "503": len(refused), "took again after s": round(took, 1),
                    "PostgreSQL restarted": server_process(rig.postgres).pid != pid}  # fmt: skip
        figures |= rig.judge()


def _use_up_the_log(workspace: Workspace) -> None:
    """PostgreSQL has files of its log ready; once it needs another one and has no room, it panics."""
    for _ in range(5):
        with suppress(DBAPIError), workspace.engine.begin() as connection:
            connection.execute(text("SELECT pg_switch_wal(), pg_logical_emit_message(false, 'x', 'x')"))


def _refused(answers: list[Answer]) -> list[Answer]:
    bad = [one for one in answers if one.status not in (200, 202, 404, 308, 503)]
    assert not bad, bad[:5]
    refused = [one for one in answers if one.status == 503]
    assert all(one.retry_after for one in refused), "a 503 without Retry-After"
    return refused
