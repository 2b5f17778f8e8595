"""Listen, announce the address, answer until stopped."""

import contextlib
import errno
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlencode

import uvicorn

from feature_manifold.core.errors import ServerError
from feature_manifold.server.app import build_app
from feature_manifold.server.settings import ServerSettings, ip_address
from feature_manifold.server.work import WorkPool

MAX_CONNECTIONS = 256
BACKLOG = 128
# Heavy work gives up the interpreter lock as often as this: the event loop takes it several times
# for each request, and with Python's 5 ms would answer 50 ms late while four threads compute.
SWITCH_SECONDS = 0.001
# What is being answered when the server is told to end has so long to finish.
GRACE_SECONDS = 5


class EndingServer(uvicorn.Server):
    """Gives up heavy work as soon as it is told to end; else it would wait for all of it."""

    def __init__(self, config: uvicorn.Config, pools: tuple[WorkPool, ...]) -> None:
        super().__init__(config)
        self._pools = pools

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the work, then what is being answered."""
        for pool in self._pools:
            pool.close()
        await super().shutdown(sockets)


def run_server(settings: ServerSettings, *, announce: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Parameters
    ----------
    settings
        Where the data are, where to listen, who may ask.
    announce
        Called once with the address to open, token included, when requests can be made.

    Raises
    ------
    ServerError
        If the host or port cannot be listened on, or the given web app is not there.
    """
    listener = _listen(settings)
    with listener:
        settings = replace(settings, port=listener.getsockname()[1])
        app = build_app(settings)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MAX_CONNECTIONS,
            # Nothing is set up or torn down; waiting for it, a Ctrl-C would end in a trace.
            lifespan="off",
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        sys.setswitchinterval(SWITCH_SECONDS)
        announce(address(settings))
        with contextlib.suppress(KeyboardInterrupt):
            pools = (app.state.work, app.state.slow_work)
            EndingServer(config, pools).run(sockets=[listener])


def address(settings: ServerSettings) -> str:
    """Return the address to open in a browser, with the token if there is one."""
    listens = ip_address(settings.host)
    host = settings.host
    if listens is not None and listens.is_unspecified:
        host = socket.gethostname()
    elif listens is not None and listens.version == 6:
        host = f"[{host}]"
    query = f"?{urlencode({'token': settings.token})}" if settings.token else ""
    return f"http://{host}:{settings.port}/{query}"


def _listen(settings: ServerSettings) -> socket.socket:
    host, port = settings.host, settings.port
    try:
        family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # Connections made before the loop runs wait in the backlog.
        listener = socket.create_server(place[:2], family=family, backlog=BACKLOG)
        # They take this over. Without it the end of a short answer waits 40 ms for the client.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except (socket.gaierror, UnicodeError) as error:
        # UnicodeError: what cannot be a name, such as 64 letters without a dot.
        reason = error.strerror if isinstance(error, socket.gaierror) else "not a host's name"
        raise ServerError(
            f"Cannot listen on '{host}': {reason}. Try: fmi serve --host 127.0.0.1"
        ) from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            other = port + 1 if port < 65_535 else 0
            raise ServerError(
                f"Port {port} on {host} is taken. Choose another with: fmi serve --port {other}"
            ) from error
        raise ServerError(
            f"Cannot listen on {host}, port {port}: {error.strerror}. "
            "Choose others with: fmi serve --host HOST --port PORT"
        ) from error
