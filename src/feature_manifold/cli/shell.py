"""What every command shares: logging, errors as one line, interrupts."""

import errno
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from feature_manifold.core.errors import DiskSpaceError, FmiError

INTERRUPTED = 130
STOPPING = (signal.SIGINT, signal.SIGTERM)
GRACE_S = 15.0
STOPPED = "stopped. What was finished is kept; run the same command to go on."


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
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        fail(_refused(error), (DiskSpaceError if is_full else FmiError).exit_code)
    except InterruptedRun:
        fail(STOPPED, INTERRUPTED)
    finally:
        for number, handler in before.items():
            # A process that was stopped ends now, and ignores the signals that still come.
            if signal.getsignal(number) != signal.SIG_IGN:
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
    # An impatient second Ctrl-C must not break off the cleaning up after the first.
    for stopping in STOPPING:
        signal.signal(stopping, signal.SIG_IGN)
    raise InterruptedRun


@contextmanager
def stopping_in_time() -> Iterator[None]:
    """End the process ``GRACE_S`` after a signal, whatever it is in the middle of.

    Python raises in its main thread and between two of its own steps only, and the end of the
    process waits for its other threads: one step of a kernel on a large experiment can take
    minutes. To end at any moment is safe: a run that is killed leaves nothing that looks finished.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=_end_after_signal, args=(reading,), daemon=True).start()
    stopped = False
    try:
        yield
    except InterruptedRun:
        stopped = True
        raise
    finally:
        signal.set_wakeup_fd(before)
        # Once a signal has come, the thread goes on waiting: for the other threads to end.
        if not stopped:
            os.close(writing)


def _end_after_signal(reading: int) -> None:
    """Wait for a signal's number in the pipe, then for ``GRACE_S``, then end the process."""
    while number := os.read(reading, 1):
        if number[0] in STOPPING:
            time.sleep(GRACE_S)
            os.write(sys.stderr.fileno(), f"error: {STOPPED}\n".encode())
            os._exit(INTERRUPTED)
    os.close(reading)
