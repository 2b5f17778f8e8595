"""``fmi serve`` and ``fmi openapi``."""

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from feature_manifold.cli.shell import InterruptedRun
from feature_manifold.server.settings import DEFAULT_HOST, DEFAULT_PORT, ServerSettings
from feature_manifold.store.layout import data_root

DataOption = Annotated[
    Path | None,
    typer.Option("--data-root", "--data", help="Folder of all data; else FMI_DATA, else ./data."),
]
HostOption = Annotated[str, typer.Option(help="Address to listen on.")]
PortOption = Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")]


def serve_command(
    *,
    data: DataOption = None,
    host: HostOption = DEFAULT_HOST,
    port: PortOption = DEFAULT_PORT,
    token: Annotated[
        str | None, typer.Option(help="Access token; made up when listening beyond loopback.")
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(help="Further NAME or NAME:PORT under which browsers call; repeatable."),
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Let nobody save anything, for guests.")
    ] = False,
) -> None:
    """Serve the API and the web app, on loopback unless told otherwise."""
    serve(
        data,
        host=host,
        port=port,
        token=token,
        allowed_hosts=tuple(allowed_host or ()),
        is_read_only=read_only,
    )


def serve(
    data: Path | None,
    *,
    host: str,
    port: int,
    token: str | None = None,
    allowed_hosts: tuple[str, ...] = (),
    is_read_only: bool = False,
) -> None:
    """Serve until interrupted, and print the address."""
    # Imported here: it pulls in FastAPI, which no other command needs.
    from feature_manifold.server.run import run_server

    root = data_root(data).path
    settings = ServerSettings(
        data_root=root,
        host=host,
        port=port,
        token=token,
        allowed_hosts=allowed_hosts,
        is_read_only=is_read_only,
    )
    # Ctrl-C is how a server ends: nothing failed, and there is nothing to go on with.
    with contextlib.suppress(InterruptedRun):
        run_server(settings, announce=lambda address: typer.echo(f"Open {address}  (Ctrl-C stops)"))


def openapi_command(path: Annotated[Path, typer.Argument(help="File to write.")]) -> None:
    """Write the API's OpenAPI document, from which the web app's types are generated."""
    from feature_manifold.server.openapi import openapi_document
    from feature_manifold.store.spec_layout import write_json

    write_json(path, openapi_document())


def register(app: typer.Typer) -> None:
    """Add the commands to ``fmi``."""
    app.command("serve")(serve_command)
    app.command("openapi")(openapi_command)
