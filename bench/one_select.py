"""One SELECT by primary key over HTTP: `python -m bench.one_select PORT`, on the database in DATABASE_URL.

The same framework, server, driver and kind of route as our API's; it answers the stored row as it is.
"""

import os
import sys
from uuid import UUID

import uvicorn
from fastapi import FastAPI, Response
from sqlalchemy import text

from infra.database import engine_for

SELECT = text("SELECT state FROM customer_360 WHERE key = :key")


def create_app(url: str) -> FastAPI:
    """One route that reads one row."""
    app = FastAPI()
    engine = engine_for(url)

    @app.get("/v1/customers/{customer_id}")
    def read(customer_id: UUID) -> Response:
        with engine.connect() as connection:
            state = connection.execute(SELECT, {"key": str(customer_id)}).scalar_one()
        return Response(bytes(state), media_type="application/json")

    @app.get("/health")
    async def health() -> Response:
        return Response(b"{}", media_type="application/json")

    return app


if __name__ == "__main__":
    uvicorn.run(
        create_app(os.environ["DATABASE_URL"]), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning",
        access_log=False, loop="uvloop", http="httptools",
    )  # fmt: skip
