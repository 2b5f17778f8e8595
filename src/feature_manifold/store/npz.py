"""Arrays of foreign ``.npz`` files, read in blocks; no size is believed before it is checked."""

import io
import math
import os
import tokenize
import zipfile
import zlib
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import CorruptArtifactError, MissingArtifactError
from feature_manifold.store.npy import parse_header

MAX_INFLATION = 1032
"""Bytes that one byte of deflated data can become, at most."""

LOCAL_HEADER_BYTES = 30
MAX_HEADER_BYTES = 10_000
UNREADABLE = (zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError, NotImplementedError)


class _Stream(Protocol):
    def readinto(self, view: memoryview) -> None:
        """Fill the view with the member's next bytes; ValueError if they are not there."""


class _StoredStream:
    """Bytes of a member that is not compressed, read past ``zipfile`` straight into arrays."""

    def __init__(self, descriptor: int, info: zipfile.ZipInfo) -> None:
        head = os.pread(descriptor, LOCAL_HEADER_BYTES, info.header_offset)
        if len(head) < LOCAL_HEADER_BYTES or head[:4] != b"PK\x03\x04":
            raise ValueError("its entry in the directory points nowhere")
        name_bytes, extra_bytes = (int.from_bytes(head[at : at + 2], "little") for at in (26, 28))
        self._descriptor = descriptor
        self._at = info.header_offset + LOCAL_HEADER_BYTES + name_bytes + extra_bytes
        self._left = info.file_size
        self._wanted_crc = info.CRC
        self._crc = 0

    def readinto(self, view: memoryview) -> None:
        filled = 0
        while filled < len(view):
            read = os.preadv(self._descriptor, [view[filled:]], self._at)
            if read == 0:
                raise ValueError("the file ends within it")
            filled += read
            self._at += read
        self._crc = zlib.crc32(view, self._crc)
        self._left -= len(view)
        if self._left == 0 and self._crc != self._wanted_crc:
            raise ValueError("it does not match its CRC-32 checksum")


class _DeflatedStream:
    """Bytes of a compressed member; ``zipfile`` bounds them by their claim, and checks the CRC."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        self._file = archive.open(info)

    def readinto(self, view: memoryview) -> None:
        filled = 0
        while filled < len(view):
            block = self._file.read(len(view) - filled)
            if not block:
                raise ValueError("it inflates to fewer bytes than it claims")
            view[filled : filled + len(block)] = block
            filled += len(block)


class NpzColumn:
    """One array of an ``.npz``, read from its start on.

    Attributes
    ----------
    name
        Key of the array.
    dtype, shape
        As its header says; the size of the member agrees with them.
    """

    def __init__(self, name: str, path: Path, stream: _Stream, n_bytes: int) -> None:
        self.name = name
        self._path = path
        self._stream = stream
        head = self._header_bytes(n_bytes)
        self.shape, fortran, self.dtype, start = parse_header(io.BytesIO(head))
        if self.dtype.hasobject or self.dtype.itemsize == 0:
            raise ValueError(f"it holds {self.dtype}, not numbers")
        if fortran and len(self.shape) > 1:
            raise ValueError("it is in Fortran order")
        needed = start + math.prod(self.shape) * self.dtype.itemsize
        if needed != n_bytes:
            raise ValueError(f"its header asks for {needed:,} bytes and it has {n_bytes:,}")

    def _header_bytes(self, n_bytes: int) -> bytes:
        head = self._take(10, n_bytes)
        if head[:6] != b"\x93NUMPY":
            raise ValueError("it is no .npy array")
        size_bytes = 2 if head[6] == 1 else 4
        head += self._take(size_bytes - 2, n_bytes)
        length = int.from_bytes(head[8 : 8 + size_bytes], "little")
        if length > MAX_HEADER_BYTES:
            raise ValueError(f"its header claims {length:,} bytes")
        return head + self._take(length, n_bytes - len(head))

    def _take(self, n: int, left: int) -> bytes:
        if n > left:
            raise ValueError("it is shorter than its header")
        taken = bytearray(n)
        if n:
            self._stream.readinto(memoryview(taken))
        return bytes(taken)

    def read(self, n_rows: int) -> Array:
        """Return the next rows along the first axis, in memory of their own.

        Raises
        ------
        CorruptArtifactError
            If they are not there or, at the end, do not match the checksum of the member.
        """
        return self._filled((n_rows, *self.shape[1:]))

    def read_all(self) -> Array:
        """Return the whole array; raises like ``read``."""
        return self._filled(self.shape)

    def _filled(self, shape: tuple[int, ...]) -> Array:
        array = np.empty(shape, dtype=self.dtype)
        if array.nbytes:
            try:
                self._stream.readinto(array.reshape(-1).view(np.uint8).data)
            except UNREADABLE as error:
                raise CorruptArtifactError(_damaged(self._path, self.name, error)) from error
        return array


class NpzFile:
    """An ``.npz`` that came from elsewhere, to be used as a context.

    Opening checks that every member lies within the file and is no longer than what it can hold,
    so that memory is bounded by the file's own size (deflated: 1,032 times).

    Raises
    ------
    MissingArtifactError, CorruptArtifactError
        If there is no such file, or it is no zip archive, truncated, encrypted, or its members
        claim what it does not have; naming the file and the array.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = path.open("rb")
        except FileNotFoundError:
            raise MissingArtifactError(f"No file {path}.") from None
        try:
            self._archive = zipfile.ZipFile(self._file)
            self._members = self._checked_members()
        except UNREADABLE as error:
            self._file.close()
            raise CorruptArtifactError(
                f"{path} is truncated or not an .npz file: {error}. Make or copy it again."
            ) from error
        except CorruptArtifactError:
            self._file.close()
            raise

    def _checked_members(self) -> dict[str, zipfile.ZipInfo]:
        n_bytes = os.fstat(self._file.fileno()).st_size
        members: dict[str, zipfile.ZipInfo] = {}
        for info in self._archive.infolist():
            name = info.filename.removesuffix(".npy")
            problem = _claim_problem(info, n_bytes)
            if name in members:
                problem = "it is there twice"
            if problem is not None:
                raise CorruptArtifactError(_damaged(self.path, name, problem))
            members[name] = info
        return members

    @property
    def names(self) -> tuple[str, ...]:
        """Keys of the arrays, in their order in the file."""
        return tuple(self._members)

    def column(self, name: str) -> NpzColumn:
        """Return one array, to be read in blocks.

        Raises
        ------
        CorruptArtifactError
            If it is not there or not a ``.npy`` of numbers, or its header asks for another
            number of bytes than it has.
        """
        info = self._members.get(name)
        if info is None:
            raise CorruptArtifactError(f"{self.path} lacks {name}; it has {', '.join(self.names)}.")
        try:
            stream: _Stream
            if info.compress_type == zipfile.ZIP_STORED:
                stream = _StoredStream(self._file.fileno(), info)
            else:
                stream = _DeflatedStream(self._archive, info)
            return NpzColumn(name, self.path, stream, info.file_size)
        except (*UNREADABLE, SyntaxError, tokenize.TokenError) as error:
            raise CorruptArtifactError(_damaged(self.path, name, error)) from error

    def array(self, name: str) -> Array:
        """Read one whole array."""
        return self.column(name).read_all()

    def __enter__(self) -> "NpzFile":
        """Return the file."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._archive.close()
        self._file.close()


def _claim_problem(info: zipfile.ZipInfo, n_bytes: int) -> str | None:
    """Say what is wrong with a member's entry in the directory of a file of ``n_bytes``."""
    if info.flag_bits & 1:
        return "it is encrypted"
    if info.header_offset + LOCAL_HEADER_BYTES + info.compress_size > n_bytes:
        return f"it claims {info.compress_size:,} bytes of a file of {n_bytes:,}"
    if info.compress_type == zipfile.ZIP_STORED:
        if info.compress_size != info.file_size:
            return f"it claims {info.file_size:,} bytes and takes {info.compress_size:,}"
        return None
    if info.compress_type != zipfile.ZIP_DEFLATED:
        return f"it is compressed by method {info.compress_type}, which np.savez does not use"
    if info.file_size > MAX_INFLATION * info.compress_size:
        return f"it claims {info.file_size:,} bytes, more than {info.compress_size:,} inflate to"
    return None


def _damaged(path: Path, name: str, problem: Any) -> str:
    return f"{path}: array {name} cannot be read: {problem}. Make or copy the file again."
