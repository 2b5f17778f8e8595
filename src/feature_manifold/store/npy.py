"""Plain ``.npy`` files: streamed out at constant memory, memory-mapped in."""

import io
import math
import mmap
import os
import tokenize
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from feature_manifold.core.arrays import Array, check_array
from feature_manifold.core.errors import CorruptArtifactError, MissingArtifactError

HEADER_BYTES = 128
MAX_ROWS = 1 << 40
"""Longest axis believed: numpy cannot even describe an empty array of 2**62 columns."""


def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """Return a version-1.0 header padded to HEADER_BYTES, so that it can be rewritten in place."""
    text = f"{{'descr': {np.lib.format.dtype_to_descr(dtype)!r}, 'fortran_order': False, "
    text += f"'shape': {shape!r}, }}"
    space = HEADER_BYTES - 10 - 1 - len(text)
    if space < 0:
        raise ValueError(f"header of {len(text)} characters does not fit {HEADER_BYTES} bytes")
    body = text.encode("latin1") + b" " * space + b"\n"
    return b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body


class NpyWriter:
    """Append rows to a ``.npy`` file; the header gets its length when the writer closes.

    Parameters
    ----------
    path
        File to create.
    dtype
        Type of the array; rows appended are converted by ``same_kind`` casting.
    row_shape
        Shape of one row; () for a vector.
    """

    def __init__(self, path: Path, dtype: npt.DTypeLike, row_shape: tuple[int, ...] = ()) -> None:
        self._dtype = np.dtype(dtype)
        self._row_shape = row_shape
        self._file = path.open("wb")
        self._file.write(_header(self._dtype, (0, *row_shape)))
        self.n_rows = 0

    def append(self, rows: Array) -> None:
        """Append rows, shape (n, *row_shape)."""
        if rows.shape[1:] != self._row_shape:
            raise ValueError(f"rows of shape {rows.shape}, expected (n, *{self._row_shape})")
        data = np.ascontiguousarray(rows.astype(self._dtype, casting="same_kind", copy=False))
        self._file.write(data.data)
        self.n_rows += rows.shape[0]

    def close(self) -> None:
        """Write the final header and close the file."""
        self._file.seek(0)
        self._file.write(_header(self._dtype, (self.n_rows, *self._row_shape)))
        self._file.close()

    def __enter__(self) -> "NpyWriter":
        """Return the writer."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file, whole or not: only a commit gives it its final name."""
        self.close()


def save_npy(path: Path, array: Array) -> None:
    """Write one array."""
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def create_npy(path: Path, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> Array:
    """Create a file of zeros and return it memory-mapped for writing.

    The disk is taken now: a full one is an OSError here. On a file with holes it would be a
    signal that kills the process while it writes to the map.
    """
    if 0 in shape:
        array = np.zeros(shape, dtype=dtype)
        save_npy(path, array)
        return array
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def open_npy(
    path: Path, *, dtypes: tuple[npt.DTypeLike, ...], shape: tuple[int | None, ...]
) -> Array:
    """Open an array memory-mapped, read-only, checking header, dtype, shape and file size.

    Raises
    ------
    MissingArtifactError
        If there is no such file.
    CorruptArtifactError
        If the file is not a ``.npy`` file, is truncated, or differs in dtype or shape.
    """
    try:
        found_shape, fortran, dtype, offset = _read_header(path)
    except FileNotFoundError:
        raise MissingArtifactError(f"No file {path}. Make it with: fmi run CONFIG.yaml") from None
    except (ValueError, SyntaxError, tokenize.TokenError) as error:
        raise CorruptArtifactError(
            f"{path} is not a .npy file: {error}. Delete the folder and run the stage again."
        ) from error
    size = offset + math.prod(found_shape) * dtype.itemsize
    have = path.stat().st_size
    if have != size or fortran or dtype.hasobject:
        raise CorruptArtifactError(
            f"{path}: its header asks for {size:,} bytes and the file has {have:,}. "
            "Delete the folder and run the stage again."
        )
    array = (
        np.zeros(found_shape, dtype=dtype)
        if 0 in found_shape
        else np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=found_shape)
    )
    check_array(str(path), array, dtypes=dtypes, shape=shape)
    return array


def release(*arrays: Array) -> None:
    """Give back the memory of mapped arrays that were read: their pages count as resident.

    They stay readable, from the system's cache of the file. Other arrays are left alone.
    """
    for array in arrays:
        base: Any = array
        while base is not None and not isinstance(base, mmap.mmap):
            base = getattr(base, "base", None)
        if base is not None and hasattr(base, "madvise"):
            base.madvise(mmap.MADV_DONTNEED)


def _read_header(path: Path) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    with path.open("rb") as file:
        return parse_header(io.BytesIO(file.read(16_384)))


def parse_header(start: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Return shape, whether in Fortran order, dtype, and where the data starts.

    Raises
    ------
    ValueError, SyntaxError, tokenize.TokenError
        Of whatever is no header, or one of an impossible shape.
    """
    # Headers of untrusted files: numpy parses them with literal_eval, bounded in length.
    version = np.lib.format.read_magic(start)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(start)
    elif version == (2, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(start)
    else:
        raise ValueError(f"unknown version {version}")
    if any(type(size) is not int or not 0 <= size <= MAX_ROWS for size in shape):
        raise ValueError(f"impossible shape {shape}")
    return shape, fortran, dtype, start.tell()
