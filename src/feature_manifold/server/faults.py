"""Errors as the API sends them: ``{"error": {"type": ..., "message": ...}}``, never a trace."""

import re
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from feature_manifold.core.errors import FmiError, InputError
from feature_manifold.server.schemas import Fault

MAX_MESSAGE = 500
RETRY_SECONDS = 1


class AnswerTooLongError(InputError):
    """The answer to a request would be longer than the server sends."""

    http_status = 413


class ReadOnlyError(FmiError):
    """The server does not let its users write."""

    http_status = 403


class BusyError(FmiError):
    """The server has as much heavy work as it takes."""

    http_status = 429


class TimeLimitError(FmiError):
    """A request took longer than the server allows, or its client left."""

    http_status = 503


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
    if len(message) > MAX_MESSAGE:
        message = message[: MAX_MESSAGE - 1] + "…"
    # Whoever is refused for the load of the moment may ask again.
    headers = {"Retry-After": str(RETRY_SECONDS)} if status in {429, 503} else None
    body = {"error": {"type": kind, "message": message}}
    return JSONResponse(body, status_code=status, headers=headers)


def without_root(message: str, root: Path) -> str:
    """Return a message whose paths start at the data root: who asks need not know where it is."""
    # A root such as "data" is a word, and places nothing.
    given = {str(root)} if len(root.parts) > 1 else set()
    for path in sorted(given | {str(root.absolute()), str(root.resolve())}, key=len)[::-1]:
        message = re.sub(rf"(?<![\w.-]){re.escape(path)}(?![\w.-])", "DATA_ROOT", message)
    return message


def add_fault_handlers(app: FastAPI, *, data_root: Path, last_headers: dict[str, str]) -> None:
    """Turn every error of the app's routes into an answer.

    Parameters
    ----------
    data_root
        Folder that no message may place.
    last_headers
        Headers for the answer to an unexpected error, which is made outside of all middleware.
    """

    async def known(request: Request, error: Exception) -> Response:
        status = error.http_status if isinstance(error, FmiError) else 500
        message = without_root(str(error), data_root)
        return fault_response(status, message, kind=type(error).__name__)

    async def invalid(request: Request, error: Exception) -> Response:
        message = _validation_message(error) if isinstance(error, RequestValidationError) else ""
        return fault_response(InputError.http_status, message, kind=InputError.__name__)

    async def refused(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        if status == HTTPStatus.BAD_REQUEST:
            # What the parser gives up on: nested too deep, numbers too long, no UTF-8.
            message = "The body cannot be read as JSON."
            return fault_response(InputError.http_status, message, kind=InputError.__name__)
        where = f"{request.method} {request.url.path[:200]}"
        response = fault_response(status, f"{where}: {HTTPStatus(status).phrase}.")
        # For a method that a route does not have: those that it has.
        response.headers.update(getattr(error, "headers", None) or {})
        return response

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
    403: _example(
        "The server does not let its users write.",
        "ReadOnlyError",
        "This server is read-only: nothing can be saved. Export what you have, or start your own "
        "with: fmi serve",
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
    429: _example(
        "The server has as much heavy work as it takes; the header Retry-After says when to ask "
        "again.",
        "BusyError",
        "The server has 36 requests of heavy work. Try again in 1 second.",
    ),
    503: _example(
        "The request took longer than the server allows.",
        "TimeLimitError",
        "The request was given up: it took more than 60 seconds, or its client left. Ask for fewer "
        "latents, points or repetitions.",
    ),
}
