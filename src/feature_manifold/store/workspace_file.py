"""The SQLite file of saved work: made whole, opened for each use, its errors told apart."""

import os
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from feature_manifold.core.errors import CorruptArtifactError, LockedError
from feature_manifold.store.atomic import STAGING_SUFFIX, sync_file

SCHEMA_VERSION = 1
BUSY_SECONDS = 5.0

SCHEMA = f"""
PRAGMA user_version = {SCHEMA_VERSION};
CREATE TABLE items (
  id TEXT PRIMARY KEY,
  experiment_id TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('cluster', 'note', 'label')),
  name TEXT NOT NULL,
  text TEXT NOT NULL,
  latents TEXT NOT NULL,
  made_in TEXT NOT NULL,
  version INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
) STRICT;
CREATE INDEX items_of_experiment ON items (experiment_id, created_at, id);
"""


@contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    """Hold the one right to write for the length of the block; make the file if there is none.

    Raises
    ------
    CorruptArtifactError, LockedError
        As for ``connected``.
    """
    if not path.exists():
        with _told(path):
            _make(path)
    with connected(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            yield connection


@contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file for the length of the block.

    Raises
    ------
    CorruptArtifactError
        If it is damaged, of another version, or may not be read or written.
    LockedError
        If another process has been writing it for BUSY_SECONDS.
    """
    with _told(path), closing(_connect(path)) as connection:
        _check_schema(connection, name=path.name)
        yield connection


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn the errors of the block into those of this package."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise LockedError(
                f"{path.name} is being written by another process. Try again."
            ) from error
        raise _unusable(path, str(error)) from error
    except sqlite3.DatabaseError as error:
        raise _unusable(path, str(error)) from error
    except OSError as error:
        raise _unusable(path, str(error.strerror)) from error


def _unusable(path: Path, reason: str) -> CorruptArtifactError:
    return CorruptArtifactError(
        f"{path.name} cannot be read or written: {reason}. Look at its permissions and "
        "the free disk; if it is damaged, put back a copy or an export."
    )


def _connect(path: Path, *, mode: str = "rw") -> sqlite3.Connection:
    path = path.resolve()
    # To read in WAL mode, SQLite writes two files beside this one, unless it may take the file for
    # one that nobody changes. What is still in a log would then be missed.
    has_log = path.with_name(f"{path.name}-wal").exists()
    if mode == "rw" and not has_log and not os.access(path.parent, os.W_OK):
        mode = "ro&immutable=1"
    address = f"{path.as_uri()}?mode={mode}"
    return sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None)


def _make(path: Path) -> None:
    """Make an empty workspace aside and put it in place, unless another process was faster."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}-{uuid.uuid4().hex}{STAGING_SUFFIX}")
    try:
        with closing(_connect(aside, mode="rwc")) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(SCHEMA)
        sync_file(aside)
        with suppress(FileExistsError):
            os.link(aside, path)
        sync_file(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def _check_schema(connection: sqlite3.Connection, *, name: str) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != SCHEMA_VERSION:
        raise CorruptArtifactError(
            f"{name} is of version {version}, and this program knows {SCHEMA_VERSION}. If it is "
            "newer, update feature-manifold-interface; if 0, it is another program's file."
        )
