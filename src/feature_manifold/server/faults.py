"""Errors as the API sends them: ``{"error": {"type": ..., "message": ...}}``, never a trace."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from feature_manifold.core.errors import FmiError, InputError
from feature_manifold.server.schemas import Fault


class AnswerTooLongError(InputError):
    """The answer to a request would be longer than the server sends."""

    http_status = 413


def fault_response(status: int, message: str, *, kind: str | None = None) -> Response:
    """Make the answer to a failed request.

    Parameters
    ----------
    status
        HTTP status.
    message
        What is wrong and what to do.
    kind
        Name of the error; by default that of the status, for instance ``NotFound``.
    """
    kind = kind or HTTPStatus(status).phrase.title().replace(" ", "")
    return JSONResponse({"error": {"type": kind, "message": message}}, status_code=status)


def add_fault_handlers(app: FastAPI, *, last_headers: dict[str, str]) -> None:
    """Turn every error of the app's routes into an answer.

    Parameters
    ----------
    last_headers
        Headers for the answer to an unexpected error, which is made outside of all middleware.
    """

    async def known(request: Request, error: Exception) -> Response:
        status = error.http_status if isinstance(error, FmiError) else 500
        return fault_response(status, str(error), kind=type(error).__name__)

    async def invalid(request: Request, error: Exception) -> Response:
        message = _validation_message(error) if isinstance(error, RequestValidationError) else ""
        return fault_response(InputError.http_status, message, kind=InputError.__name__)

    async def refused(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        where = f"{request.method} {request.url.path[:200]}"
        return fault_response(status, f"{where}: {HTTPStatus(status).phrase}.")

    async def unexpected(request: Request, error: Exception) -> Response:
        # The server logs the trace; the answer names the place to look.
        response = fault_response(500, "The server failed; its log says why.")
        response.headers.update(last_headers)
        return response

    app.add_exception_handler(FmiError, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(Exception, unexpected)


def _validation_message(error: RequestValidationError) -> str:
    parts = []
    for item in error.errors():
        place = ".".join(str(part) for part in item["loc"][1:]) or str(item["loc"][0])
        parts.append(f"{place}: {item['msg']} (got {str(item['input'])[:80]!r})")
    return "; ".join(parts)


def fault_examples(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document the errors of a route, for its ``responses``."""
    return {status: {"model": Fault, **_EXAMPLES[status]} for status in statuses}


def _example(description: str, kind: str, message: str) -> dict[str, Any]:
    body = {"error": {"type": kind, "message": message}}
    return {"description": description, "content": {"application/json": {"example": body}}}


_EXAMPLES = {
    401: _example(
        "The server asks for a token.",
        "Unauthorized",
        "This server asks for a token: open the address that fmi serve printed, or send the "
        "header Authorization: Bearer TOKEN",
    ),
    404: _example(
        "The experiment, or the artifact that the route reads, is not there.",
        "MissingArtifactError",
        "Experiment 'toy_layer1_1k_small' has no finished graph/. Make it with: "
        "fmi run CONFIG.yaml --only graph",
    ),
    409: _example(
        "A file is damaged or of another run.",
        "CorruptArtifactError",
        "positions.npy: shape (900, 2), expected (1024, 2). The file is foreign or damaged; make "
        "it again.",
    ),
    413: _example(
        "The answer would be too long.",
        "AnswerTooLongError",
        "1,048,576 positions are too many for JSON (at most 262,144). Send the header "
        "Accept: application/octet-stream for the binary body.",
    ),
    422: _example(
        "A parameter is out of bounds.",
        "InputError",
        "limit: Input should be less than or equal to 500 (got '9999')",
    ),
}
