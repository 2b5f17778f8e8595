"""Who may ask: Host, Origin and token are checked on every route; headers fence the answers in.

A page of another site can make a browser send requests here. It cannot choose the Host or Origin
that the browser writes, so a name that is not ours (DNS rebinding) or an origin other than the
host asked for is refused before any route runs.
"""

import hashlib
import hmac
import re
import socket
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from feature_manifold.server.faults import fault_response
from feature_manifold.server.settings import ServerSettings, ip_address, is_loopback

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
HOST_PATTERN = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")
TOKEN_KEY = "token"

SIGN_IN_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Feature Manifold Interface</title>
<h1>This server asks for a token</h1>
<p>Open the address that <code>fmi serve</code> printed: it ends in <code>?token=…</code></p>
<p>Opened it before in this browser? Then <a href="">continue</a>.</p>
</html>
"""


class SecurityHeaders:
    """Put the security headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
                # Without it browsers guess how long an answer stays true.
                headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        await self._app(scope, receive, send_with_headers)


class Guards:
    """Refuse requests under a foreign name, from a foreign page, or without the token."""

    def __init__(self, app: ASGIApp, *, settings: ServerSettings) -> None:
        self._app = app
        self._settings = settings
        self._names = _own_names(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            refusal = self._refusal(scope)
            await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_own_host(hosts[0]):
            return fault_response(
                HTTPStatus.BAD_REQUEST,
                "This server does not answer under the name in the Host header. Open the address "
                "that it printed, or add the name with: fmi serve --allowed-host NAME",
                kind="ForeignHost",
            )
        if not _is_own_page(headers, host=hosts[0], method=scope["method"]):
            return fault_response(
                HTTPStatus.FORBIDDEN,
                "Requests by pages of other sites are refused.",
                kind="ForeignOrigin",
            )
        return self._token_refusal(scope, headers)

    def _is_own_host(self, host: str) -> bool:
        match = HOST_PATTERN.fullmatch(host.lower())
        if match is None:
            return False
        name, port = match["name"].strip("[]").removesuffix("."), match["port"]
        # Any port: over ssh -L the browser's port is not ours.
        if is_loopback(name) or name in self._names or f"{name}:{port}" in self._names:
            return True
        if self._settings.is_loopback:
            return False
        # An address cannot be rebound to another machine; a name can.
        own = ip_address(name) is not None or name == socket.gethostname().lower()
        return own and int(port or 80) == self._settings.port

    def _token_refusal(self, scope: Scope, headers: Headers) -> Response | None:
        token = self._settings.token
        if token is None:
            return None
        if _is_equal(_bearer(headers), token) or _is_equal(_cookie(headers, token), token):
            return None
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = [value for key, value in query if key == TOKEN_KEY]
        if scope["method"] == "GET" and given and _is_equal(given[-1], token):
            return _signed_in(scope, query, token)
        if headers.get("sec-fetch-mode") == "navigate" and not scope["path"].startswith("/api/"):
            return HTMLResponse(SIGN_IN_PAGE, status_code=HTTPStatus.UNAUTHORIZED)
        return fault_response(
            HTTPStatus.UNAUTHORIZED,
            "This server asks for a token: open the address that fmi serve printed, or send the "
            "header Authorization: Bearer TOKEN",
        )


def _own_names(settings: ServerSettings) -> frozenset[str]:
    names = {name.lower() for name in settings.allowed_hosts}
    if ip_address(settings.host) is None:
        names.add(settings.host.lower())
    return frozenset(names)


def _is_own_page(headers: Headers, *, host: str, method: str) -> bool:
    """Return whether a request comes from a page of this server, or from no page at all."""
    origin = headers.get("origin")
    if origin is not None:
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return parts.scheme in {"http", "https"} and parts.netloc.lower() == host.lower()
    # A link on another site may be followed; its forms, scripts and images may not reach us.
    is_link = method == "GET" and headers.get("sec-fetch-mode") == "navigate"
    return headers.get("sec-fetch-site", "none") in {"same-origin", "none"} or is_link


def _cookie_name(token: str) -> str:
    # Cookies are shared by all ports of a host; two servers must not overwrite each other's.
    return f"fmi-{hashlib.sha256(token.encode()).hexdigest()[:12]}"


def _bearer(headers: Headers) -> str:
    scheme, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def _cookie(headers: Headers, token: str) -> str:
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(headers.get("cookie", ""))
    except CookieError:
        return ""
    morsel = jar.get(_cookie_name(token))
    return "" if morsel is None else morsel.value


def _is_equal(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())


def _signed_in(scope: Scope, query: list[tuple[str, str]], token: str) -> Response:
    """Keep the token in a cookie and send the browser to the same address without it."""
    rest = urlencode([(key, value) for key, value in query if key != TOKEN_KEY])
    # A path such as //host would be taken for another site.
    path = "/" + scope["path"].lstrip("/\\")
    response = RedirectResponse(f"{path}?{rest}" if rest else path, status_code=303)
    response.set_cookie(_cookie_name(token), token, httponly=True, samesite="strict", path="/")
    response.headers["Cache-Control"] = "no-store"
    return response
