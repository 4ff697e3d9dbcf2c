"""An endpoint that reads what it is sent and does nothing: `python -m bench.nothing PORT`.

The same framework, server and settings as the gateway, so what is between the two is our own work.
"""

import sys

import uvicorn
from fastapi import FastAPI, Request, Response

ANSWER = (
    b'{"received":1,"accepted":1,"duplicates":0,"refused":0,"quarantined":0,"results":[{"index":0,'
    b'"verdict":"accepted","source_id":"bench-1","event_id":"01997a3e-0000-7000-8000-000000000001",'
    b'"customer":"01997a3e-0000-7000-8000-000000000002"}]}'
)


def create_app() -> FastAPI:
    """One route that answers what a gateway would, without having done it."""
    app = FastAPI()

    @app.post("/v1/touches")
    async def nothing(request: Request) -> Response:
        await request.body()
        return Response(ANSWER, media_type="application/json")

    @app.get("/health")
    async def health() -> Response:
        return Response(b"{}", media_type="application/json")

    return app


if __name__ == "__main__":
    uvicorn.run(
        create_app(), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False,
        loop="uvloop", http="httptools",
    )  # fmt: skip
