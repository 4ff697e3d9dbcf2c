"""Answers on the paths that are asked most, written as bytes where they were made."""

from fastapi import Response
from pydantic import BaseModel


def answered(model: BaseModel) -> Response:
    """The answer as FastAPI would write it.

    FastAPI sends a returned model to a thread once more, to be validated, which it was when it was built.
    The route names it as its `response_model`, for the documentation.
    """
    return Response(model.model_dump_json(by_alias=True), media_type="application/json")
