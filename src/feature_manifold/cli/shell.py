"""What every command shares: logging, errors as one line, interrupts."""

import logging
import signal
import sys
from collections.abc import Callable
from types import FrameType

import click
import typer

from feature_manifold.core.errors import FmiError

INTERRUPTED = 130


def run_shell(app: Callable[[], None]) -> None:
    """Run a command line; end with one clear line and a non-zero code when something is wrong."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("feature_manifold").setLevel(logging.INFO)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app()
    except FmiError as error:
        fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        fail("Stopped. What was finished is kept; run the same command to go on.", INTERRUPTED)


def fail(message: str, code: int) -> None:
    """Print one line to standard error and exit."""
    typer.secho(f"error: {message}", err=True, fg=typer.colors.RED)
    raise SystemExit(code)


def call_typer(app: typer.Typer) -> Callable[[], None]:
    """Return a function that runs a typer app and lets our own errors through.

    Usage errors keep typer's message and exit code 2.
    """

    def call() -> None:
        try:
            code = app(standalone_mode=False)
        except click.exceptions.Abort:
            raise KeyboardInterrupt from None
        except click.ClickException as error:
            error.show()
            raise SystemExit(error.exit_code) from None
        if isinstance(code, int) and code:
            raise SystemExit(code)

    return call


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
