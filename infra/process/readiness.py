"""Whether a worker or the relay can do its work: what it reads from and writes to answers."""

from infra import topics_admin
from infra.process.health import Check, Health, answers
from infra.workspace import Workspace

SECONDS = 1.8
"""A little less than a probe waits, so that it is told what does not answer."""


def ready(workspace: Workspace) -> Check:
    """The journal, and Kafka where there is one."""
    checks = {"journal": answers(workspace.engine)}
    if workspace.settings.kafka_bootstrap:
        checks["Kafka"] = topics_admin.answers(workspace.settings.kafka_bootstrap)
    return Health(checks, SECONDS).check
