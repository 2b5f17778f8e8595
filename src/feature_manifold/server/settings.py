"""What the server is told: where the data are, where it listens, who may ask."""

import ipaddress
import secrets
from dataclasses import dataclass
from pathlib import Path

from feature_manifold.core.errors import ConfigError

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8000
TOKEN_BYTES = 24


@dataclass(frozen=True)
class ServerSettings:
    """Settings of one server.

    Attributes
    ----------
    data_root
        Folder that holds ``experiments/``; nothing outside it is read but the web app.
    host
        Address to listen on.
    port
        Port to listen on; 0 takes any free one.
    token
        Secret that every request must carry; None asks for none. A server that listens beyond
        this machine always has one: it is made up if not given.
    static_folder
        The built web app; None looks where the package and a checkout keep it.
    allowed_hosts
        Further names, or ``name:port``, under which browsers may call the server, for instance
        behind a proxy.
    is_read_only
        Whether nobody may save anything, for guests.
    """

    data_root: Path
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    token: str | None = None
    static_folder: Path | None = None
    allowed_hosts: tuple[str, ...] = ()
    is_read_only: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise ConfigError(f"--port {self.port}: expected 1 to 65535, or 0 for any free port.")
        if not self.host:
            raise ConfigError("--host is empty: expected a name or address to listen on.")
        if self.token is not None and not (self.token.isascii() and self.token.isprintable()):
            raise ConfigError("--token: expected printable ASCII characters.")
        if self.token == "" or (self.token is None and not self.is_loopback):
            object.__setattr__(self, "token", secrets.token_urlsafe(TOKEN_BYTES))

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Return whether a host name or address (IPv6 without brackets) means this machine."""
    if host.lower() == "localhost":
        return True
    address = ip_address(host)
    return address is not None and address.is_loopback


def ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that a host spells out, or None when it is a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
