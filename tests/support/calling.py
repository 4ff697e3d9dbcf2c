"""Calling the API the way a desktop does."""

from typing import Any

from starlette.testclient import TestClient

from infra.workspace import Workspace
from services.api.app import create_app


def caller(workspace: Workspace, key: str | None = "test-key") -> TestClient:
    """A client of the workspace's API that follows no redirect by itself."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return TestClient(
        create_app(workspace), headers=headers, follow_redirects=False, raise_server_exceptions=False
    )


def read(client: TestClient, url: str, **params: Any) -> Any:
    """The body of a successful read."""
    answer = client.get(url, params={name: value for name, value in params.items() if value is not None})
    assert answer.status_code == 200, answer.text
    return answer.json()
