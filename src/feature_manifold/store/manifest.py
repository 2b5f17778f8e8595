"""Manifests: what a folder is, what made it, and the checksum of every file in it.

A folder whose manifest is missing does not exist for readers. The manifest holds no time, host
or path, so that the same input gives the same bytes, and a checksum of itself.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from feature_manifold import __version__
from feature_manifold.core.config import config_hash
from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.core.jobs import in_order
from feature_manifold.store.atomic import is_aside, write_file
from feature_manifold.store.layout import MANIFEST

BLOCK_BYTES = 1 << 22
OWN_CHECKSUM = "manifest_sha256"


@dataclass(frozen=True)
class FileRecord:
    """Size in bytes and SHA-256 of one file."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """Contents of ``manifest.json``.

    ``config`` holds just the keys that affect this folder; ``inputs`` the digests of the folders
    that it was made from; ``files`` are relative to the folder; ``facts`` are free figures.
    """

    format: str
    format_version: int
    config: dict[str, Any]
    config_hash: str
    inputs: dict[str, str]
    package_version: str
    seed: int | None
    files: dict[str, FileRecord]
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Hash of what downstream stages depend on: format, version and file contents."""
        files = {name: record.sha256 for name, record in sorted(self.files.items())}
        return config_hash({"format": self.format, "version": self.format_version, "files": files})


def checksum(path: Path) -> FileRecord:
    """Read a file once and return its size and SHA-256."""
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
            size += len(block)
    return FileRecord(size, digest.hexdigest())


def make_manifest(
    folder: Path,
    *,
    format: str,
    format_version: int,
    config: dict[str, Any],
    inputs: dict[str, str],
    seed: int | None,
    facts: dict[str, Any],
    known_files: dict[str, FileRecord] | None = None,
    outside: tuple[str, ...] = (),
    n_workers: int = 1,
) -> Manifest:
    """Describe a folder: every file below it but manifests, and ``outside`` names beside it.

    What a killed run left under a name of its own (``.partial``, ``.replaced``) does not count.

    Parameters
    ----------
    folder
        Folder to describe, complete but for its manifest.
    known_files
        Records already known (those of shards), by name relative to the folder.
    outside
        Further files, as paths relative to the folder, for instance ``../decoder.npy``.
    n_workers
        Files read at a time.
    """
    files = dict(known_files or {})
    paths = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    inside = (path.as_posix() for path in paths if path.name != MANIFEST and not is_aside(path))
    unknown = [name for name in (*inside, *outside) if name not in files]
    read = in_order(checksum, (folder / name for name in unknown), n_workers=n_workers)
    files |= zip(unknown, read, strict=True)
    return Manifest(
        format=format,
        format_version=format_version,
        config=config,
        config_hash=config_hash(config),
        inputs=inputs,
        package_version=__version__,
        seed=seed,
        files=dict(sorted(files.items())),
        facts=facts,
    )


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write ``manifest.json`` atomically: the last act of making a folder."""
    values = asdict(manifest)
    values[OWN_CHECKSUM] = config_hash(values)
    text = json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False)
    write_file(folder / MANIFEST, text.encode() + b"\n")


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of a folder, or None when there is none.

    Raises
    ------
    CorruptArtifactError
        If the file is there and is not a manifest.
    """
    path = folder / MANIFEST
    try:
        values = json.loads(path.read_bytes())
        stated = values.pop(OWN_CHECKSUM, None)
        if stated is not None and stated != config_hash(values):
            raise ValueError("it does not match its own checksum")
        files = {name: FileRecord(**record) for name, record in values.pop("files").items()}
        return Manifest(**values, files=files)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CorruptArtifactError(
            f"{path} is not a manifest ({error}). Delete that file and run the stage again."
        ) from error


def changed_inputs(manifest: Manifest, folders: Mapping[str, Path]) -> list[str]:
    """Name the inputs that are not now what the manifest's folder was made from.

    Parameters
    ----------
    folders
        Folder of each input by its name. One that is not there, or not named, says nothing.
    """
    found = {name: read_manifest(folders[name]) for name in manifest.inputs if name in folders}
    return [
        name
        for name, other in found.items()
        if other is not None and other.digest != manifest.inputs[name]
    ]


def file_problems(
    folder: Path,
    manifest: Manifest,
    *,
    read_all: bool,
    names: Collection[str] | None = None,
    n_workers: int = 1,
) -> list[str]:
    """List the files that differ from the manifest; empty means all are right.

    Parameters
    ----------
    read_all
        Read every byte and compare checksums; otherwise compare sizes only, which is what
        opening and skipping can afford.
    names
        Files of the manifest to look at; None looks at all.
    n_workers
        Files read at a time.
    """
    chosen = [name for name in manifest.files if names is None or name in names]

    def problem(name: str) -> str | None:
        return _problem(folder / name, manifest.files[name], read_all)

    found = in_order(problem, chosen, n_workers=n_workers) if read_all else map(problem, chosen)
    return [text for text in found if text is not None]


def _problem(path: Path, record: FileRecord, read_all: bool) -> str | None:
    try:
        if not path.is_file():
            return f"{path} is missing"
        size = path.stat().st_size
        if size != record.bytes:
            return f"{path} has {size:,} bytes, expected {record.bytes:,}"
        if read_all and checksum(path).sha256 != record.sha256:
            return f"{path} does not match its checksum"
    except OSError as error:
        # A bad sector, or a file that may not be read.
        return f"{path} cannot be read: {error.strerror}"
    return None
