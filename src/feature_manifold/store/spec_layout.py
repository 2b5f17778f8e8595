"""The specification's files: ``shard_*.npz`` rows, per-latent ``.npz``, JSON."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.store.atomic import STAGING_SUFFIX, commit_file, sync_file, write_file
from feature_manifold.store.npz import NpzColumn, NpzFile

SPEC_SHARD_PATTERN = re.compile(r"shard_[0-9]+\.npz")
BLOCK_ROWS = 1 << 20
"""Rows read at a time: a whole file of the prototype's 1,000,000 rows."""


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


@dataclass(frozen=True)
class TokenRows:
    """Some rows of one ``shard_*.npz``: what they say about their tokens.

    Attributes
    ----------
    tokens
        uint32 (n,).
    token_ids, doc_ids, positions
        int32 (n,).
    first_row
        Number of the first of these rows in the file.
    name
        The file.
    """

    tokens: Array
    token_ids: Array
    doc_ids: Array
    positions: Array
    first_row: int
    name: str


@dataclass(frozen=True)
class FiringBlock:
    """Some rows of one ``shard_*.npz``: which latent fires, and how much.

    Attributes
    ----------
    tokens
        uint32 (n,).
    latents
        int32 (n,).
    activations
        float16 or float32 (n,).
    first_row
        Number of the first of these rows in the file.
    name
        The file.
    """

    tokens: Array
    latents: Array
    activations: Array
    first_row: int
    name: str


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
    return sorted(found, key=lambda path: (int(path.stem[6:]), path.name))


def write_spec_shard(path: Path, rows: FiringRows) -> None:
    """Write one ``shard_*.npz`` atomically."""
    arrays = {name: getattr(rows, name) for name in _COLUMNS}
    _write_npz(path, arrays)


def spec_shard_size(path: Path) -> tuple[int, np.dtype[Any]]:
    """Return the rows of one ``shard_*.npz`` and the type of its activations, from its headers.

    Raises
    ------
    MissingArtifactError, CorruptArtifactError
        As ``firing_blocks``.
    """
    with NpzFile(path) as file:
        columns = _checked_columns(file)
    return columns["token_indices"].shape[0], columns["activations"].dtype


def token_blocks(path: Path, *, block_rows: int = BLOCK_ROWS) -> Iterator[TokenRows]:
    """Read what the rows of one ``shard_*.npz`` say about their tokens.

    Yields
    ------
    TokenRows
        At most ``block_rows`` at a time.

    Raises
    ------
    MissingArtifactError, CorruptArtifactError
        Naming the file and what is wrong with it: no zip archive, sizes that do not agree, a
        missing array, another kind of numbers, a value that does not fit its type.
    """
    with NpzFile(path) as file:
        columns = _checked_columns(file)
        for first, n_rows in _spans(columns["token_indices"].shape[0], block_rows):
            yield TokenRows(
                _integers(columns["token_indices"], n_rows, np.uint32, path, first),
                _integers(columns["token_ids"], n_rows, np.int32, path, first),
                _integers(columns["doc_ids"], n_rows, np.int32, path, first),
                _integers(columns["positions"], n_rows, np.int32, path, first),
                first,
                str(path),
            )


def firing_blocks(path: Path, *, block_rows: int = BLOCK_ROWS) -> Iterator[FiringBlock]:
    """Read the firings of one ``shard_*.npz``, like ``token_blocks``."""
    with NpzFile(path) as file:
        columns = _checked_columns(file)
        for first, n_rows in _spans(columns["token_indices"].shape[0], block_rows):
            yield FiringBlock(
                _integers(columns["token_indices"], n_rows, np.uint32, path, first),
                _integers(columns["latent_indices"], n_rows, np.int32, path, first),
                _floats(columns["activations"], n_rows, path, first),
                first,
                str(path),
            )


def last_token(path: Path) -> int | None:
    """Return the token of the last row of one ``shard_*.npz``; None if it has no rows.

    Raises
    ------
    MissingArtifactError, CorruptArtifactError
        As ``token_blocks``.
    """
    last = None
    with NpzFile(path) as file:
        column = _checked_columns(file)["token_indices"]
        for first, n_rows in _spans(column.shape[0], BLOCK_ROWS):
            last = int(_integers(column, n_rows, np.uint32, path, first)[-1])
    return last


def _checked_columns(file: NpzFile) -> dict[str, NpzColumn]:
    missing = [name for name in _COLUMNS if name not in file.names]
    if missing:
        raise CorruptArtifactError(
            f"{file.path} lacks {', '.join(missing)}; expected {', '.join(_COLUMNS)}."
        )
    columns = {name: file.column(name) for name in _COLUMNS}
    shape = columns["token_indices"].shape
    for name, kinds in _COLUMNS.items():
        column = columns[name]
        if column.dtype.kind not in kinds or len(shape) != 1 or column.shape != shape:
            length = shape[0] if shape else "n"
            raise CorruptArtifactError(
                f"{file.path}: {name} has dtype {column.dtype} and shape {column.shape}, expected "
                f"{'floats' if kinds == 'f' else 'integers'} of shape ({length},)."
            )
    return columns


def _spans(n_rows: int, block_rows: int) -> Iterator[tuple[int, int]]:
    for first in range(0, n_rows, block_rows):
        yield first, min(block_rows, n_rows - first)


def _integers(column: NpzColumn, n_rows: int, dtype: Any, path: Path, first_row: int) -> Array:
    """Read rows as another integer type, refusing what does not fit it."""
    values, target = column.read(n_rows), np.iinfo(dtype)
    if not np.can_cast(values.dtype, dtype):
        outside = (values < target.min) | (values > target.max)
        expected = f"{target.min:,} to {target.max:,}"
        _refuse_value(outside, values, column.name, expected, path, first_row)
    return values.astype(dtype, copy=False)


def _floats(column: NpzColumn, n_rows: int, path: Path, first_row: int) -> Array:
    """Read rows as float16 or, where they are wider, float32, refusing what overflows it."""
    values = column.read(n_rows)
    target = np.dtype("<f2") if values.dtype.itemsize == 2 else np.dtype("<f4")
    with np.errstate(over="ignore", under="ignore"):
        narrow = values.astype(target, copy=False)
    if values.dtype.itemsize > target.itemsize:
        lost = (np.isinf(narrow) & np.isfinite(values)) | ((narrow == 0) & (values != 0))
        _refuse_value(lost, values, column.name, "one that fits float32", path, first_row)
    return narrow


def _refuse_value(
    wrong: Array, values: Array, name: str, expected: str, path: Path, first_row: int
) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        word = name.removesuffix("_indices").removesuffix("s")
        raise CorruptArtifactError(
            f"{path}, row {first_row + row:,}: bad {word} {values[row]}, expected {expected}. "
            "Harvest the shard again."
        )


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
