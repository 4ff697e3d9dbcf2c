"""A projector as it is, but slowed down at one point. Run as a program of its own: WHAT FOLDER PATIENCE.

`stuck`: the consumer reads nothing any more after its first batch, once. `zombie`: with a batch in hand it
waits for the file `go`, and says so in the file `in-hand`. It is taken for stuck after PATIENCE seconds.
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer

from infra.process import stuck as watching
from infra.projector import Projector
from services.workers import __main__ as worker

what, folder = sys.argv[1], Path(sys.argv[2])
getmany, fold = AIOKafkaConsumer.getmany, Projector.fold


async def stuck(self: AIOKafkaConsumer, *arguments: Any, **named: Any) -> Any:
    """Reads until it has found something once."""
    if (folder / "read").exists() and not (folder / "stuck").exists():
        (folder / "stuck").touch()
        await asyncio.Event().wait()
    found = await getmany(self, *arguments, **named)
    if found:
        (folder / "read").touch()
    return found


def zombie(self: Projector, batches: Any) -> None:
    """Folds when it may."""
    (folder / "in-hand").touch()
    while not (folder / "go").exists():
        time.sleep(0.01)
    fold(self, batches)


if __name__ == "__main__":
    if what == "stuck":
        watching.PATIENCE_SECONDS = float(sys.argv[3])
        AIOKafkaConsumer.getmany = stuck  # type: ignore[method-assign]
    else:
        Projector.fold = zombie  # type: ignore[method-assign]
    worker.main(["projector"])
