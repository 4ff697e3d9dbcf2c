"""A route that is documented like any other and answers without FastAPI's machinery in between.

Reading parameters, resolving dependencies and checking what goes out cost more than recording an event does,
and the doors use none of it: their bodies are read by `services.gateway.body`.
"""

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.types import Receive, Scope, Send


class DirectRoute(APIRoute):
    """Hands the request to its endpoint, and sends what comes back."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request whose path is this route's."""
        if scope["method"] not in (self.methods or ()):
            await super().handle(scope, receive, send)
            return
        response = await self.endpoint(Request(scope, receive))
        await response(scope, receive, send)
