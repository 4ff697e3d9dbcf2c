"""Which methods an address takes: several routes may share one, and each knows only its own."""

from starlette.requests import Request
from starlette.routing import Match

from infra.observing import METHODS


def allowing(request: Request) -> dict[str, str]:
    """The header that an answer of 405 carries."""

    def takes(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)

    return {"Allow": ", ".join(one for one in sorted(METHODS) if takes(one))}
