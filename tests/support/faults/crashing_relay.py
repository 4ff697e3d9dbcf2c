"""A relay that dies at the worst moment: its events are with the broker, its checkpoint is not written.

Run as a process of its own; it sends what a step finds, at least one event, and is gone.
"""

import os

from sqlalchemy import Connection

from infra.relay import Relay
from infra.settings import Settings
from infra.workspace import open_workspace

DIED = 9


class CrashingRelay(Relay):
    """Everything as usual, until the broker has acknowledged."""

    def _send(self, connection: Connection, position: int) -> int:
        acknowledged = super()._send(connection, position)
        if acknowledged > position:
            os._exit(DIED)
        return acknowledged


def main() -> None:
    """Step until there is something to send."""
    workspace = open_workspace(Settings())
    settings = workspace.settings
    relay = CrashingRelay(workspace.engine, settings.kafka_bootstrap, settings.topic_prefix)
    topics = relay.topics()
    while True:
        relay.step(topics)


if __name__ == "__main__":
    main()
