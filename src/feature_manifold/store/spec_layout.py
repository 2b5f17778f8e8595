"""The specification's files: ``shard_*.npz`` rows, per-latent ``.npz``, JSON."""

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import CorruptArtifactError, MissingArtifactError
from feature_manifold.store.atomic import STAGING_SUFFIX, commit_file, sync_file, write_file
from feature_manifold.store.layout import latent_name

SPEC_SHARD_PATTERN = re.compile(r"shard_[0-9]+\.npz")
MAX_SHARD_BYTES = 64 << 30


@dataclass(frozen=True)
class FiringRows:
    """One ``shard_*.npz``: six arrays of one entry per firing, in token order.

    Attributes
    ----------
    token_indices
        int64 (n,), corpus positions.
    latent_indices
        int32 (n,).
    activations
        float16 (n,).
    token_ids, doc_ids
        int32 (n,).
    positions
        int16 (n,), int32 where a document is longer than int16 counts.
    name
        How errors call the shard.
    """

    token_indices: Array
    latent_indices: Array
    activations: Array
    token_ids: Array
    doc_ids: Array
    positions: Array
    name: str = "shard"


_COLUMNS = {
    "token_indices": "iu",
    "latent_indices": "iu",
    "activations": "f",
    "token_ids": "iu",
    "doc_ids": "iu",
    "positions": "iu",
}


def spec_shard_paths(raw_folder: Path) -> list[Path]:
    """Return the ``shard_*.npz`` files of a folder in order of their numbers."""
    found = (
        path for path in raw_folder.glob("shard_*.npz") if SPEC_SHARD_PATTERN.fullmatch(path.name)
    )
    return sorted(found, key=lambda path: int(path.stem[6:]))


def write_spec_shard(path: Path, rows: FiringRows) -> None:
    """Write one ``shard_*.npz`` atomically."""
    arrays = {name: getattr(rows, name) for name in _COLUMNS}
    _write_npz(path, arrays)


def open_spec_shard(path: Path) -> FiringRows:
    """Read one ``shard_*.npz``, checking keys, types, lengths and the sizes that members claim.

    Raises
    ------
    CorruptArtifactError
        Naming the file and what is wrong with it.
    """
    try:
        # Zip members state their size: check it against the file before memory is taken.
        with zipfile.ZipFile(path) as archive:
            claimed = sum(member.file_size for member in archive.infolist())
            stored = all(m.compress_type == zipfile.ZIP_STORED for m in archive.infolist())
        if claimed > MAX_SHARD_BYTES or (stored and claimed > path.stat().st_size):
            raise CorruptArtifactError(f"{path}: its members claim {claimed:,} bytes.")
        with np.load(path, allow_pickle=False) as arrays:
            missing = [name for name in _COLUMNS if name not in arrays.files]
            if missing:
                raise CorruptArtifactError(
                    f"{path} lacks {', '.join(missing)}; expected {', '.join(_COLUMNS)}."
                )
            columns = {name: arrays[name] for name in _COLUMNS}
    except FileNotFoundError:
        raise MissingArtifactError(f"No file {path}.") from None
    except (zipfile.BadZipFile, ValueError, EOFError, OSError) as error:
        raise CorruptArtifactError(
            f"{path} is truncated or not an .npz file: {error}. Harvest it again."
        ) from error
    length = len(columns["token_indices"])
    for name, kinds in _COLUMNS.items():
        column = columns[name]
        if column.dtype.kind not in kinds or column.shape != (length,):
            raise CorruptArtifactError(
                f"{path}: {name} has dtype {column.dtype} and shape {column.shape}, expected "
                f"{'floats' if kinds == 'f' else 'integers'} of shape ({length},)."
            )
    return FiringRows(**columns, name=str(path))


def write_latent_npz(folder: Path, latent: int, tokens: Array, activations: Array) -> None:
    """Write ``{id:05d}.npz`` with ``token_indices`` int64 and ``activations``.

    ``folder`` is a staging folder: 65,536 files are committed together, not one by one.
    """
    arrays = {"token_indices": tokens.astype(np.int64), "activations": np.asarray(activations)}
    path = folder / f"{latent_name(latent)}.npz"
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def write_json(path: Path, payload: Any) -> None:
    """Write ``encode_json`` of a payload, atomically."""
    write_file(path, encode_json(payload, name=str(path)))


def encode_json(payload: Any, *, name: str) -> bytes:
    """Return strict UTF-8 JSON; numpy arrays and numbers are allowed.

    orjson writes NaN as null, which would look like a missing value: whoever builds a payload
    checks that its numbers are finite.

    Raises
    ------
    CorruptArtifactError
        If the payload holds an object that JSON has no word for.
    """
    try:
        return orjson.dumps(payload, option=orjson.OPT_SERIALIZE_NUMPY)
    except (orjson.JSONEncodeError, TypeError) as error:
        raise CorruptArtifactError(f"{name}: cannot be written as JSON: {error}") from error


def _write_npz(path: Path, arrays: dict[str, Array]) -> None:
    aside = path.with_name(path.name + STAGING_SUFFIX)
    with aside.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    sync_file(aside)
    commit_file(aside, path)
