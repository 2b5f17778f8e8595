"""One run at a time on an experiment."""

import fcntl
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from feature_manifold.core.errors import LockedError


@contextmanager
def experiment_lock(path: Path) -> Iterator[None]:
    """Hold the experiment's lock file for the length of the block.

    The kernel drops the lock when its holder dies, so that a killed run never blocks the next.

    Raises
    ------
    LockedError
        At once, if another process holds it; the message names that process.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError(
                f"Experiment '{path.parent.name}' is in use by {_holder(path)}. "
                "Wait for it, or stop it."
            ) from None
        file.truncate(0)
        holder = {"pid": os.getpid(), "command": " ".join(sys.argv)}
        file.write(json.dumps(holder).encode())
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


@contextmanager
def turn(path: Path) -> Iterator[None]:
    """Wait for the lock file and hold it for the length of the block, which must be short."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_bytes())
        return f"process {holder['pid']} ({holder['command']})"
    except (ValueError, KeyError, OSError):
        return "another process"
