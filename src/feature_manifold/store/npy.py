"""Plain ``.npy`` files: streamed out at constant memory, memory-mapped in."""

import ctypes
import io
import math
import mmap
import os
import threading
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

SYNC_FILE_RANGE_WRITE = 2
# Only Linux has it, and Python does not offer it.
_sync_file_range = getattr(ctypes.CDLL(None), "sync_file_range", None)


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
        with self._file:
            self._file.seek(0)
            self._file.write(_header(self._dtype, (self.n_rows, *self._row_shape)))

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
    """Write one array.

    numpy writes to the file behind Python's back and does not look whether its last bytes went
    out; on a full disk that left a file cut short, and no error.
    """
    data = np.ascontiguousarray(array).reshape(array.shape)
    with path.open("wb") as file:
        header = np.lib.format.header_data_from_array_1_0(data)
        np.lib.format.write_array_header_1_0(file, header)
        file.write(data.reshape(-1).view(np.uint8).data)


class NpyFile:
    """A ``.npy`` vector of known length, written in parts: in any order, by several threads.

    The disk starts to write each part at once, so that little is left to do for the sync at the
    end. A full disk is an ``OSError``.

    Parameters
    ----------
    path
        File to create.
    dtype
        Type of the vector.
    n_rows
        Its length.
    """

    def __init__(self, path: Path, dtype: npt.DTypeLike, n_rows: int) -> None:
        self._dtype = np.dtype(dtype)
        self._n_rows = n_rows
        self._written = 0
        self._path = path
        self._lock = threading.Lock()
        self._file = path.open("wb", buffering=0)
        try:
            self._write(memoryview(_header(self._dtype, (n_rows,))), 0)
        except OSError:
            self._file.close()
            raise

    def write(self, start: int, rows: Array) -> None:
        """Write ``rows`` (n,), of the file's type, to the rows from ``start`` on."""
        if rows.dtype != self._dtype or rows.ndim != 1:
            raise ValueError(f"{rows.dtype} {rows.shape} for a vector of {self._dtype}")
        if start < 0 or start + len(rows) > self._n_rows:
            raise ValueError(f"rows {start} to {start + len(rows)} of {self._n_rows}")
        content = np.ascontiguousarray(rows).view(np.uint8).data
        offset = HEADER_BYTES + start * self._dtype.itemsize
        self._write(content, offset)
        _start_writing_back(self._file.fileno(), offset, len(content))
        with self._lock:
            self._written += len(rows)

    def _write(self, content: memoryview, offset: int) -> None:
        """Write all of it: the system may take less at a time."""
        while len(content):
            done = os.pwrite(self._file.fileno(), content, offset)
            offset, content = offset + done, content[done:]

    def __enter__(self) -> "NpyFile":
        """Return the file."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file; unless an error is on its way, every row must have been written."""
        self._file.close()
        if kind is None and self._written != self._n_rows:
            raise ValueError(f"{self._path}: {self._written} of {self._n_rows} rows written")


def _start_writing_back(descriptor: int, offset: int, n_bytes: int) -> None:
    """Ask the system to start writing a range to the disk; it may decline."""
    if _sync_file_range is not None:
        _sync_file_range(
            descriptor, ctypes.c_int64(offset), ctypes.c_int64(n_bytes), SYNC_FILE_RANGE_WRITE
        )


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
    if fortran or dtype.hasobject:
        raise CorruptArtifactError(
            f"{path}: an array of {'objects' if dtype.hasobject else 'columns, in Fortran order'}. "
            "The file is foreign; delete the folder and run the stage again."
        )
    if have != size:
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
