"""Bodies of requests: read whole, within bounds of size and time, before a route sees them."""

import asyncio
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from feature_manifold.server.faults import fault_response

MAX_BODY_BYTES = 2 << 20
MAX_BODY_SECONDS = 30.0


class BodyBounds:
    """Refuse bodies that are too long, or come too slowly."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_bytes: int = MAX_BODY_BYTES,
        max_seconds: float = MAX_BODY_SECONDS,
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on with its whole body."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        if "content-length" not in headers and "transfer-encoding" not in headers:
            await self._app(scope, receive, send)
            return
        refusal: Response | None = None
        try:
            async with asyncio.timeout(self._max_seconds):
                messages = await self._messages(headers, receive)
        except TimeoutError:
            refusal = fault_response(
                HTTPStatus.REQUEST_TIMEOUT, "The body came too slowly.", kind="BodyTooSlow"
            )
        except _TooLong:
            refusal = fault_response(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"The body is longer than {self._max_bytes:,} bytes.",
                kind="BodyTooLong",
            )
        if refusal is not None:
            await refusal(scope, receive, send)
            return

        async def replay() -> Message:
            return messages.pop(0) if messages else await receive()

        await self._app(scope, replay, send)

    async def _messages(self, headers: Headers, receive: Receive) -> list[Message]:
        stated = headers.get("content-length", "0")
        if not stated.isdecimal() or int(stated[:20]) > self._max_bytes:
            raise _TooLong
        parts: list[bytes] = []
        n_bytes, has_more = 0, True
        while has_more:
            message = await receive()
            if message["type"] != "http.request":
                return [message]
            parts.append(message.get("body", b""))
            n_bytes += len(parts[-1])
            if n_bytes > self._max_bytes:
                raise _TooLong
            has_more = message.get("more_body", False)
        return [{"type": "http.request", "body": b"".join(parts), "more_body": False}]


class _TooLong(Exception):
    """The body is over the bound."""
