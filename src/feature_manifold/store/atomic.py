"""Files and folders that are whole or not there: written aside, synced, renamed."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STAGING_SUFFIX = ".partial"
REPLACED_SUFFIX = ".replaced"


def is_aside(path: Path) -> bool:
    """Say whether a path is, or lies in, something that was written aside and not committed."""
    return any(part.endswith((STAGING_SUFFIX, REPLACED_SUFFIX)) for part in path.parts)


def sync_file(path: Path) -> None:
    """Flush one file or folder entry to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_file(path: Path, content: bytes) -> None:
    """Write a file aside, sync it and rename it into place."""
    aside = path.with_name(path.name + STAGING_SUFFIX)
    with aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    commit_file(aside, path)


def commit_file(aside: Path, path: Path) -> None:
    """Rename a synced file into place and sync its folder."""
    os.replace(aside, path)
    sync_file(path.parent)


def staging_path(folder: Path) -> Path:
    """Return where a folder is written before it is committed."""
    return folder.with_name(folder.name + STAGING_SUFFIX)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, each entry synced."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        sync_file(path.parent)


def begin_folder(folder: Path) -> Path:
    """Make an empty staging folder beside ``folder``, dropping what a killed run left there."""
    staging = staging_path(folder)
    if staging.exists():
        shutil.rmtree(staging)
    make_folder(staging.parent)
    staging.mkdir()
    return staging


def commit_folder(folder: Path) -> None:
    """Sync the staging folder and put it in the place of ``folder``.

    Between the two renames nothing is there under the final name; a reader then finds no
    manifest, never a mixture.
    """
    staging = staging_path(folder)
    for path in sorted(staging.rglob("*")):
        sync_file(path)
    sync_file(staging)
    replaced = _replaced_path(folder)
    if replaced.exists():
        shutil.rmtree(replaced)
    if folder.exists():
        os.replace(folder, replaced)
    os.replace(staging, folder)
    sync_file(folder.parent)
    if replaced.exists():
        shutil.rmtree(replaced)


def drop_leftovers(folder: Path) -> None:
    """Delete what a killed run left beside ``folder``: up to two more copies of it."""
    for path in (staging_path(folder), _replaced_path(folder)):
        if path.exists():
            shutil.rmtree(path)


def _replaced_path(folder: Path) -> Path:
    return folder.with_name(folder.name + REPLACED_SUFFIX)


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Yield a staging folder; commit it when the block ends, drop it when the block raises."""
    try:
        # Within the block: a signal may come when the folder has just been made.
        yield begin_folder(folder)
    except BaseException:
        shutil.rmtree(staging_path(folder), ignore_errors=True)
        raise
    commit_folder(folder)
