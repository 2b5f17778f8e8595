"""Raw activations as harvested: immutable folders of arrays, one per range of tokens."""

import re
import resource
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feature_manifold.core.arrays import Array, check_indptr
from feature_manifold.core.errors import CorruptArtifactError, MissingArtifactError
from feature_manifold.store.atomic import begin_folder, commit_folder
from feature_manifold.store.firings import ACTIVATIONS, FLOATS, INDPTR, TOKENS
from feature_manifold.store.layout import MANIFEST, shard_name
from feature_manifold.store.manifest import (
    FileRecord,
    Manifest,
    checksum,
    file_problems,
    make_manifest,
    read_manifest,
    write_manifest,
)
from feature_manifold.store.npy import open_npy, release, save_npy

SHARD_FORMAT = "firing-shard"
SHARD_VERSION = 1
FILES_PER_SHARD = 3
OTHER_FILES = 256
"""Files that the rest of the process may have open while all shards are."""
SHARD_PATTERN = re.compile(r"shard_[0-9]{5,}")


@dataclass(frozen=True)
class Shard:
    """Firings of the token rows ``[start, stop)``, sorted by latent, then token.

    Attributes
    ----------
    indptr
        int64 (n_latents + 1,).
    tokens
        uint32 (n_firings,), rows of the whole token table, rising within a latent.
    activations
        float16, or float32 where a value exceeds what float16 holds; (n_firings,), positive.
    start, stop
        Range of token rows that the shard covers, firing or not.
    name
        How errors call the shard.
    """

    indptr: Array
    tokens: Array
    activations: Array
    start: int
    stop: int
    name: str = "shard"

    @property
    def n_latents(self) -> int:
        """Number of latents."""
        return len(self.indptr) - 1

    @property
    def n_firings(self) -> int:
        """Number of firings."""
        return len(self.tokens)


def shard_folder(raw_folder: Path, number: int) -> Path:
    """Return the folder of a shard by its number."""
    return raw_folder / shard_name(number)


def write_shard(
    raw_folder: Path, number: int, shard: Shard, *, config: dict[str, Any], inputs: dict[str, str]
) -> None:
    """Commit one shard: arrays, manifest, sync, rename.

    Parameters
    ----------
    config, inputs
        What the shard depends on; a resumed run keeps it only if both still hold.
    """
    folder = shard_folder(raw_folder, number)
    staging = begin_folder(folder)
    save_npy(staging / INDPTR, shard.indptr)
    save_npy(staging / TOKENS, shard.tokens)
    save_npy(staging / ACTIVATIONS, shard.activations)
    manifest = make_manifest(
        staging,
        format=SHARD_FORMAT,
        format_version=SHARD_VERSION,
        config=config,
        inputs=inputs,
        seed=None,
        facts={"start": shard.start, "stop": shard.stop},
    )
    write_manifest(staging, manifest)
    commit_folder(folder)


def is_shard_current(
    raw_folder: Path,
    number: int,
    *,
    start: int,
    stop: int,
    config: dict[str, Any],
    inputs: dict[str, str],
) -> bool:
    """Say whether a committed shard covers this range, was made by this config, and is whole."""
    folder = shard_folder(raw_folder, number)
    try:
        manifest = read_manifest(folder)
    except CorruptArtifactError:
        # It is made again, as one that was interrupted.
        return False
    return (
        manifest is not None
        and (manifest.format, manifest.format_version) == (SHARD_FORMAT, SHARD_VERSION)
        and manifest.facts == {"start": start, "stop": stop}
        and manifest.config == config
        and manifest.inputs == inputs
        and not file_problems(folder, manifest, read_all=True)
    )


def open_shard(folder: Path) -> Shard:
    """Open one shard memory-mapped.

    Raises
    ------
    MissingArtifactError, CorruptArtifactError
        If it has no manifest, or a file is truncated or foreign.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise MissingArtifactError(
            f"Shard {folder} has no manifest: its writing was interrupted. "
            "Run the harvest again; it resumes."
        )
    if (manifest.format, manifest.format_version) != (SHARD_FORMAT, SHARD_VERSION):
        raise CorruptArtifactError(
            f"{folder / MANIFEST}: format {manifest.format} {manifest.format_version}, "
            f"expected {SHARD_FORMAT} {SHARD_VERSION}."
        )
    indptr = open_npy(folder / INDPTR, dtypes=("<i8",), shape=(None,))
    tokens = open_npy(folder / TOKENS, dtypes=("<u4",), shape=(None,))
    activations = open_npy(folder / ACTIVATIONS, dtypes=FLOATS, shape=(len(tokens),))
    check_indptr(str(folder / INDPTR), indptr, n_entries=len(tokens))
    release(indptr)
    start, stop = manifest.facts.get("start"), manifest.facts.get("stop")
    if not isinstance(start, int) or not isinstance(stop, int):
        raise CorruptArtifactError(
            f"{folder / MANIFEST} does not say which tokens the shard covers ('start' and 'stop' "
            "of 'facts'). Delete the shard and run the harvest again; it resumes."
        )
    return Shard(indptr, tokens, activations, start, stop, name=str(folder))


def shard_folders(raw_folder: Path) -> list[Path]:
    """Return the committed shard folders of the native layout, in order."""
    return sorted(
        path
        for path in raw_folder.glob("shard_*")
        if path.is_dir() and SHARD_PATTERN.fullmatch(path.name)
    )


def open_shards(raw_folder: Path) -> list[Shard]:
    """Open all shards of a finished harvest, in token order.

    Raises
    ------
    MissingArtifactError
        If the harvest is not there or not finished.
    CorruptArtifactError
        If there are none, or they overlap or leave a gap.
    """
    if read_manifest(raw_folder) is None:
        raise MissingArtifactError(
            f"No finished harvest in {raw_folder}. Make it, or go on with it, with: "
            "fmi run CONFIG.yaml --only harvest"
        )
    shards = open_committed(raw_folder)
    if not shards:
        raise CorruptArtifactError(
            f"{raw_folder} says that its harvest is finished and has no shards. Make it again "
            "with: fmi run CONFIG.yaml --only harvest --force"
        )
    check_ranges(shards)
    return shards


def open_committed(raw_folder: Path) -> list[Shard]:
    """Open the shards that are there, of a harvest that need not be finished, in token order.

    Raises
    ------
    CorruptArtifactError
        As ``open_shard``.
    """
    folders = shard_folders(raw_folder)
    _allow_open_files(len(folders) * FILES_PER_SHARD)
    return [open_shard(folder) for folder in folders]


def _allow_open_files(n_files: int) -> None:
    """Raise the limit on open files where it may be raised: each mapped file counts as one.

    340 shards, 45 million tokens, are enough to reach the usual limit of 1,024.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = n_files + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def check_ranges(shards: Sequence[Shard]) -> None:
    """Check that shards agree on the latents and cover token ranges that follow each other.

    Raises
    ------
    CorruptArtifactError
        Naming the first shard that does not fit.
    """
    row = shards[0].start if shards else 0
    for shard in shards:
        if shard.start != row or shard.stop < shard.start:
            raise CorruptArtifactError(
                f"{shard.name} covers tokens {shard.start:,} to {shard.stop:,}, expected a start "
                f"at {row:,}: a shard is missing or stale. Run the harvest again."
            )
        if shard.n_latents != shards[0].n_latents:
            raise CorruptArtifactError(
                f"{shard.name} has {shard.n_latents:,} latents and {shards[0].name} has "
                f"{shards[0].n_latents:,}: they come from different SAEs."
            )
        row = shard.stop


def drop_shards(raw_folder: Path, *, from_number: int) -> None:
    """Delete shards numbered ``from_number`` and above, and whatever a killed run left."""
    for path in sorted(raw_folder.glob("shard_*")):
        match = SHARD_PATTERN.fullmatch(path.name)
        if path.is_dir() and (match is None or int(path.name[6:]) >= from_number):
            shutil.rmtree(path)


def shard_records(raw_folder: Path) -> dict[str, FileRecord]:
    """Return the file records of all shards, relative to the harvest's folder.

    They are taken from the shards' own manifests, so that finishing a harvest does not read it
    all again.
    """
    return dict(_records(raw_folder))


def _records(raw_folder: Path) -> Iterator[tuple[str, FileRecord]]:
    for folder in shard_folders(raw_folder):
        manifest: Manifest | None = read_manifest(folder)
        if manifest is None:
            raise MissingArtifactError(f"Shard {folder} has no manifest. Run the harvest again.")
        for name, record in manifest.files.items():
            yield f"{folder.name}/{name}", record
        yield f"{folder.name}/{MANIFEST}", checksum(folder / MANIFEST)
