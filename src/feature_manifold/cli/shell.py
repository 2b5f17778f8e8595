"""What every command shares: logging, errors as one line, interrupts."""

import logging
import signal
import sys
from collections.abc import Callable
from types import FrameType

import typer

from feature_manifold.core.errors import FmiError

INTERRUPTED = 130
STOPPING = (signal.SIGINT, signal.SIGTERM)


class InterruptedRun(BaseException):
    """Ctrl-C or SIGTERM; not an Exception, so that nothing mistakes it for a failure."""


def run_shell(app: Callable[[], None]) -> None:
    """Run a command line; end with one clear line and a non-zero code when something is wrong.

    Usage errors are typer's, with exit code 2.
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("feature_manifold").setLevel(logging.INFO)
    before = {number: signal.signal(number, _interrupt) for number in STOPPING}
    try:
        app()
    except FmiError as error:
        fail(str(error), error.exit_code)
    except OSError as error:
        if error.strerror is None:
            raise
        fail(_refused(error), FmiError.exit_code)
    except InterruptedRun:
        fail("stopped. What was finished is kept; run the same command to go on.", INTERRUPTED)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _refused(error: OSError) -> str:
    """Say which file the operating system refuses: no permission, not a folder, disk full."""
    where = "" if error.filename is None else f"{error.filename}: "
    return (
        f"{where}{error.strerror}. What was finished is kept: mend this, or choose another place, "
        "and run the same command again."
    )


def fail(message: str, code: int) -> None:
    """Print one line to standard error and exit."""
    typer.secho(f"error: {message}", err=True, fg=typer.colors.RED)
    raise SystemExit(code)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise InterruptedRun
