"""Webhooks: who is to be called for which events, and how each stands."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from infra.journal.page import wanted
from infra.webhooks.addresses import URL_LENGTH, allowed_hosts, expect_allowed
from infra.webhooks.subscriptions import Subscription, Subscriptions
from infra.workspace import Workspace
from services.api.events_feed import POSITION_MOST
from services.api.parameters import NO_NUL
from services.api.problems import described

_ID = "01997a3e-0000-7000-8000-000000000004"
_EXAMPLE: dict[str, Any] = {
    "id": _ID, "url": "https://shop.example.com/touchstone", "topics": ["case", "identity"], "types": [],
    "description": "the shop's desk", "since": "2026-03-02T06:02:11Z", "position": 88213, "behind": 0,
    "state": "enabled", "why": "", "attempts": 0, "failing_since": None, "next_at": None,
    "last_at": "2026-03-02T06:10:00Z", "last_answer": "200",
}  # fmt: skip
_SECRET = "whsec_" + "A" * 43 + "="
Text = Annotated[str, Field(max_length=200, pattern=NO_NUL)]
WebhookId = Annotated[UUID, Path(description="The webhook's id.", examples=[_ID])]


class WebhookRequest(BaseModel):
    """What to send where. Without topics and types: everything."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"url": _EXAMPLE["url"], "topics": ["case", "identity"]}]},
    )

    url: str = Field(max_length=URL_LENGTH, description="https, at a public address.")
    topics: list[Text] = Field([], max_length=100, description="`events`, or families like `case`.")
    types: list[Text] = Field(
        [], max_length=200, description="Single types, beside the topics: `case.opened`."
    )
    description: Text = ""
    after: int | None = Field(
        None, ge=0, le=POSITION_MOST,
        description="Begin after this position, 0 with the first event; without it with what comes next.",
    )  # fmt: skip


class WebhookAnswer(BaseModel):
    """A webhook and how it stands."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_EXAMPLE]})

    id: str
    url: str
    topics: list[str]
    types: list[str]
    description: str
    since: datetime
    position: int = Field(description="All that it wants up to here was taken.")
    behind: int = Field(description="Positions that are still to be looked at for it.")
    state: str = Field(description="enabled, or disabled: nothing is sent until it is enabled.")
    why: str = Field(description="It is disabled.")
    attempts: int = Field(description="Failed in a row.")
    failing_since: datetime | None
    next_at: datetime | None = Field(description="The next attempt, after one that failed.")
    last_at: datetime | None
    last_answer: str = Field(description="To the last attempt: the status, or in words why there was none.")


class NewWebhook(WebhookAnswer):
    """A webhook with its secret."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_EXAMPLE, "secret": _SECRET}]})

    secret: str = Field(description="Told this once.")


class Webhooks(BaseModel):
    """All webhooks, the oldest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"webhooks": [_EXAMPLE]}]})

    webhooks: list[WebhookAnswer]


class NewSecret(BaseModel):
    """Another secret; those before it sign beside it for a day."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"secret": _SECRET}]})

    secret: str = Field(description="Told this once.")


def router(workspace: Workspace) -> APIRouter:
    """The routes of this subject."""
    routes = APIRouter(tags=["webhooks"])
    held = Subscriptions(workspace.engine, workspace.vault)
    allowed = allowed_hosts(workspace.settings.webhook_hosts)

    @routes.post("/v1/webhooks", status_code=201, responses=described())
    def add_webhook(body: WebhookRequest) -> NewWebhook:
        """Have events sent by signed requests (Standard Webhooks). Every request makes another webhook."""
        wanted(workspace.settings.topic_prefix, body.topics, body.types)
        expect_allowed(body.url, allowed)
        one, secret = held.add(
            body.url, body.topics, body.types, body.description, body.after, workspace.clock.now()
        )
        return NewWebhook(**_answer(one).model_dump(), secret=secret)

    @routes.get("/v1/webhooks", responses=described())
    def read_webhooks() -> Webhooks:
        """All webhooks and how they stand."""
        return Webhooks(webhooks=[_answer(one) for one in held.all()])

    @routes.get("/v1/webhooks/{webhook_id}", responses=described(404))
    def read_webhook(webhook_id: WebhookId) -> WebhookAnswer:
        """One webhook and how it stands."""
        return _answer(held.one(str(webhook_id)))

    @routes.delete("/v1/webhooks/{webhook_id}", responses=described(404))
    def delete_webhook(webhook_id: WebhookId) -> WebhookAnswer:
        """Send nothing there any more; how it stood. A request that is under way may still arrive."""
        return _answer(held.remove(str(webhook_id)))

    @routes.post("/v1/webhooks/{webhook_id}/secret", responses=described(404))
    def rotate_secret(webhook_id: WebhookId) -> NewSecret:
        """Another secret; for 24 hours each request is signed by both."""
        return NewSecret(secret=held.rotate(str(webhook_id), workspace.clock.now()))

    @routes.post("/v1/webhooks/{webhook_id}/enabled", responses=described(404))
    def enable_webhook(webhook_id: WebhookId) -> WebhookAnswer:
        """Go on where it stopped, now: after it was disabled, or instead of waiting for the next attempt."""
        return _answer(held.enable(str(webhook_id)))

    return routes


def _answer(one: Subscription) -> WebhookAnswer:
    told = {name: getattr(one, name) for name in one.__struct_fields__ if name != "head"}
    return WebhookAnswer(**told, behind=one.head - one.position)
