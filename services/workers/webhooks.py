"""Runs the sender of webhooks: journal to receivers."""

import asyncio
import signal
from contextlib import suppress

from infra.ids import new_id
from infra.journal.tail import Tail
from infra.logs import configure_logging
from infra.process.collector import keep_what_is_loaded
from infra.process.health import Health, answers
from infra.process.heart import Heart
from infra.process.supervisor import end_in_time, end_with_parent
from infra.settings import Settings
from infra.telemetry import serve_metrics
from infra.webhooks.addresses import allowed_hosts
from infra.webhooks.posting import Post
from infra.webhooks.sender import Sender
from infra.webhooks.turns import Turns
from infra.workspace import Workspace, open_workspace


def main() -> None:
    """Run until stopped."""
    configure_logging()
    end_with_parent()
    workspace = open_workspace(Settings())
    settings = workspace.settings
    ready = Health({"journal": answers(workspace.engine), "vault": answers(workspace.vault_engine)}, 1.8)
    serve_metrics(settings.metrics_port, ready=ready.check, host=settings.host)
    keep_what_is_loaded()
    asyncio.run(_run(workspace, Heart.of_process()))
    workspace.close()


async def _run(workspace: Workspace, heart: Heart) -> None:
    settings = workspace.settings
    sender = Sender(
        Turns(workspace.engine, workspace.vault, new_id()), Tail(workspace.engine, settings.public_url),
        Post(allowed_hosts(settings.webhook_hosts)), workspace.clock, settings.topic_prefix, heart,
    )  # fmt: skip
    sending = asyncio.create_task(sender.run())
    beating = asyncio.create_task(heart.beat_for_ever())

    def told() -> None:
        end_in_time()
        sending.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told)
    with suppress(asyncio.CancelledError):
        await sending
    beating.cancel()


if __name__ == "__main__":
    main()
