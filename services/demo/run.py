"""The demo's steps, in order: files through the gateway, views, model, lists, and what they show."""

import time
from collections import Counter
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from infra import populations
from infra.target_list.building import BuiltList, build
from infra.workspace import Workspace, open_workspace
from ml.artifacts import Artifact
from models.errors import Unavailable
from services import prediction
from services.cli.stack import Stack
from services.demo import desk, figures
from services.demo.following import follow
from services.demo.lists import shown
from services.demo.result import DemoResult, SourceResult
from services.importer.importing import import_file
from services.importer.mapping import ready_mapping
from services.importer.report import ImportReport

SHOP, BANK = "cdnow", "bank_campaigns"
ISSUERS = {SHOP: "cdnow", BANK: "bank"}
SUBSCRIBE = (
    ".venv/bin/python -c \"from confluent_kafka import Consumer; c = Consumer({{'bootstrap.servers': "
    "'{bootstrap}', 'group.id': 'me', 'auto.offset.reset': 'earliest'}}); c.subscribe(['{topic}']); "
    "[print(dict(m.headers())['ce_type'].decode(), m.value().decode()) for m in iter(lambda: c.poll(10), None)]\""
)


def run(stack: Stack, files: dict[str, Path], started: float, console: Console) -> DemoResult:
    """Everything between a running stack and the report. Raises what the parts raise."""
    workspace = open_workspace(stack.settings)
    try:
        return _Run(stack, workspace, console).everything(files, started)
    finally:
        workspace.close()


class _Run:
    """One run's open ends: clients, clocks, and what was found so far."""

    def __init__(self, stack: Stack, workspace: Workspace, console: Console) -> None:
        self._stack, self._workspace, self._console = stack, workspace, console
        settings = stack.settings
        self._key = settings.first_key
        headers = {"Authorization": f"Bearer {self._key}"}
        self._gateway = httpx.Client(base_url=settings.gateway_url, headers=headers, timeout=60)
        self._api = httpx.Client(
            base_url=settings.api_url, headers=headers, timeout=60, follow_redirects=True
        )
        self._seconds: dict[str, float] = {}
        self._rates: dict[str, float] = {}

    def everything(self, files: dict[str, Path], started: float) -> DemoResult:
        """The steps, each timed."""
        self._seconds["start"] = started
        before = self._workspace.journal.head()
        began = time.monotonic()
        reports = self._ingest(files)
        self._seconds["ingest"] = time.monotonic() - began
        received = sum(report.verdicts.received for report in reports.values())
        self._rates["gateway"] = received / self._seconds["ingest"]
        follow("Projecting", self._stack, self._workspace, self._console)
        self._seconds["project"] = time.monotonic() - began
        self._rates["views"] = (self._workspace.journal.head() - before) / self._seconds["project"]
        as_of = {source: self._day_after(source) for source in reports}
        began = time.monotonic()
        with self._console.status("Training the churn model"):
            artifact = prediction.train(self._workspace, ISSUERS[SHOP], until=as_of[SHOP]).artifact
        with self._console.status("Scoring everyone"):
            scoring = prediction.score_everyone(self._workspace, artifact, as_of[SHOP], ISSUERS[SHOP])
        follow("Projecting the scores", self._stack, self._workspace, self._console)
        self._seconds["train"] = time.monotonic() - began
        began = time.monotonic()
        built = self._lists(as_of[SHOP], artifact)
        self._seconds["lists"] = time.monotonic() - began
        with self._console.status("The corporate desk at work (generated)"):
            desk.run(self._gateway, self._api)
        follow("Projecting the rest", self._stack, self._workspace, self._console)
        return self._result(reports, as_of, artifact, len(scoring.scores), built)

    def _ingest(self, files: dict[str, Path]) -> dict[str, ImportReport]:
        reports = {}
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console) as progress:
            for name, path in files.items():
                mapping = ready_mapping(name)
                task = progress.add_task(f"Sending {mapping.about}"[:58], total=None)
                reports[name] = import_file(
                    path, mapping, self._stack.settings.gateway_url, self._key, resume=False,
                    progress=partial(_tell, progress, task),
                    notice=self._console.print,
                )  # fmt: skip
        return reports

    def _day_after(self, source: str) -> datetime:
        """Each source is judged as of the day after its last event."""
        found = populations.span(self._workspace.engine, source)
        if found is None:
            raise Unavailable(f"nothing of {source} was recorded")
        return prediction.day_after(found[1])

    def _lists(self, as_of: datetime, artifact: Artifact) -> dict[str, BuiltList]:
        built = {}
        for purpose in ("retention", "win_back"):
            with self._console.status(f"Building the {purpose.replace('_', '-')} list"):
                built[purpose] = build(
                    self._workspace, purpose, as_of=as_of, issuer=ISSUERS[SHOP], artifact=artifact.card.id
                )
        return built

    def _result(
        self, reports: dict[str, ImportReport], as_of: dict[str, datetime], artifact: Artifact, scored: int,
        built: dict[str, BuiltList],
    ) -> DemoResult:  # fmt: skip
        purchases = figures.by_month(self._workspace, "purchase.recorded", SHOP)
        calls = figures.by_month(self._workspace, "touch.recorded", BANK)
        won = figures.won_by_month(self._workspace, BANK)
        stages = {
            name: figures.stages(self._workspace, ISSUERS[name], moment) for name, moment in as_of.items()
        }
        closed = self._api.get("/v1/pipeline", params={"source": BANK}).raise_for_status().json()
        listed = [shown(self._workspace, one, self._stack.settings.var) for one in built.values()]
        customer = listed[0].rows[0].customer if listed[0].rows else ""
        profile: dict[str, Any] = {}
        timeline: list[dict[str, Any]] = []
        if customer:
            profile = self._get(f"/v1/customers/{customer}", as_of[SHOP])
            timeline = self._get(f"/v1/customers/{customer}/timeline", as_of[SHOP])["items"]
        settings, rules = self._stack.settings, self._workspace.rules
        return DemoResult(
            kafka=bool(settings.kafka_bootstrap),
            sources=[self._source(report, as_of[name], stages[name]) for name, report in reports.items()],
            purchases=sum(one.count for one in purchases), calls=sum(one.count for one in calls),
            won=closed["totals"]["won"], lost=closed["totals"]["lost"], open=closed["totals"]["open"],
            stages=dict(sum((Counter(one) for one in stages.values()), Counter())),
            months=[*purchases, *calls, *won], customer=profile, timeline=timeline,
            pipeline=closed, desk=self._api.get("/v1/pipeline", params={"source": "api"}).raise_for_status().json(),
            spec=artifact.card.spec, judgement=artifact.card.judgement, artifact=artifact.card.id, scored=scored,
            lists=listed,
            legal_basis={
                "retention": {str(one): basis for one, basis in rules.retention.legal_basis.items()},
                "win_back": {str(one): basis for one, basis in rules.win_back.legal_basis.items()},
            },
            seconds=self._seconds, rates=self._rates,
            urls={"API": f"{settings.api_url}/docs", "gateway": f"{settings.gateway_url}/docs",
                  "report": str(settings.var / "report.html")},
            subscribe=self._subscribe(),
        )  # fmt: skip

    def _source(self, report: ImportReport, as_of: datetime, stages: dict[str, int]) -> SourceResult:
        said = report.verdicts
        return SourceResult(
            name=report.source, about=report.about, received=said.received, accepted=said.accepted,
            duplicates=said.duplicates, refused=said.refused, quarantined=said.quarantined,
            customers=len(populations.customers_of(self._workspace.engine, ISSUERS[report.source])),
            as_of=as_of, events_per_second=said.received / report.seconds, warnings=report.warnings,
            explained=report.explained, stages=stages,
        )  # fmt: skip

    def _get(self, path: str, as_of: datetime) -> dict[str, Any]:
        found: dict[str, Any] = (
            self._api.get(path, params={"as_of": as_of.isoformat()}).raise_for_status().json()
        )
        return found

    def _subscribe(self) -> str:
        settings = self._stack.settings
        if not settings.kafka_bootstrap:
            return "without Kafka there are no topics; run it with Kafka to subscribe"
        return SUBSCRIBE.format(bootstrap=settings.kafka_bootstrap, topic=f"{settings.topic_prefix}.touch")


def _tell(progress: Progress, task: TaskID, done: int, total: int) -> None:
    progress.update(task, completed=done, total=total)
