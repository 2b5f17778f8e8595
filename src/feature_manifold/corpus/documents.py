"""Documents of local corpus files, streamed: one reader per kind of file."""

import gzip
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import zstandard

from feature_manifold.core.errors import CorpusError

MAX_RECORD_BYTES = 1 << 28
"""Longest line, or text between blank lines, 256 MiB.

A compressed file can unpack to a line that fills the memory.
"""

PACKED_BYTES = 1 << 13
"""Bytes unpacked at a time: 8 KiB can become 256 MiB."""


@dataclass(frozen=True)
class Document:
    """One text and where it came from.

    Attributes
    ----------
    text
        The document; may be empty.
    record
        Where it lies in its file, from 0: line number of its first line, or parquet row.
    """

    text: str
    record: int


Reader = Callable[[Path, str], Iterator[Document]]


def read_documents(path: Path, *, text_key: str) -> Iterator[Document]:
    """Stream the documents of one file.

    Parameters
    ----------
    path
        A file whose suffix is one of ``SUFFIXES``.
    text_key
        Field or column with the text; not used for plain text.

    Yields
    ------
    Document
        In the order of the file.

    Raises
    ------
    CorpusError
        If the file is missing, damaged, not UTF-8, or a record lacks the text.
    """
    suffix = corpus_suffix(path.name)
    if suffix is None:
        raise CorpusError(f"Corpus file {path}: unknown kind. Known: {', '.join(SUFFIXES)}.")
    try:
        yield from SUFFIXES[suffix](path, text_key)
    except FileNotFoundError:
        raise CorpusError(f"No corpus file {path}. Check 'corpus' in the config.") from None
    except (OSError, EOFError, zstandard.ZstdError) as error:
        raise CorpusError(f"Corpus file {path} cannot be read or is damaged: {error}") from error


def corpus_suffix(name: str) -> str | None:
    """Return the known suffix that a file name ends with, or None."""
    return next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), None)


class _ZstdFrames(io.RawIOBase):
    """The bytes of a file of zstd frames, of which the Pile's files hold several.

    The library's own reader takes a file that was cut short for a whole one.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._packed = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        """Say yes, for BufferedReader."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer; 0 at the end of the last frame."""
        while not self._ready:
            self._packed = self._packed or self._file.read(PACKED_BYTES)
            if not self._packed:
                if self._frame is not None:
                    raise EOFError("it ends inside a zstd frame")
                return 0
            self._frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
            self._ready = memoryview(self._frame.decompress(self._packed))
            self._packed = self._frame.unused_data
            if self._frame.eof:
                self._frame = None
        taken = self._ready[: len(buffer)]
        self._ready = self._ready[len(taken) :]
        buffer[: len(taken)] = taken
        return len(taken)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def _open_stream(path: Path) -> BinaryIO:
    """Open a file for reading bytes, unpacked if its suffix says so."""
    if path.suffix.lower() == ".zst":
        return io.BufferedReader(_ZstdFrames(path), 1 << 20)
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rb")  # type: ignore[return-value]
    return path.open("rb")


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with _open_stream(path) as stream:
        number = 0
        while line := stream.readline(MAX_RECORD_BYTES):
            if len(line) == MAX_RECORD_BYTES:
                raise CorpusError(
                    f"Corpus file {path}, line {number + 1} is longer than "
                    f"{MAX_RECORD_BYTES:,} bytes. Split it."
                )
            yield number, line
            number += 1


def _read_text(path: Path, text_key: str) -> Iterator[Document]:
    """Documents of plain text are set apart by blank lines; line ends inside one are kept."""
    lines: list[str] = []
    first = size = 0
    for number, raw in _lines(path):
        try:
            line = raw.decode("utf-8-sig" if number == 0 else "utf-8")
        except UnicodeDecodeError as error:
            raise CorpusError(
                f"Corpus file {path}, line {number + 1} is not UTF-8 ({error.reason} at byte "
                f"{error.start}). Convert it, for instance with: iconv -t utf-8"
            ) from error
        if line.strip():
            if not lines:
                first, size = number, 0
            lines.append(line)
            size += len(raw)
            if size > MAX_RECORD_BYTES:
                raise CorpusError(
                    f"Corpus file {path}: the document at line {first + 1} is longer than "
                    f"{MAX_RECORD_BYTES:,} bytes. Set documents apart by blank lines."
                )
        elif lines:
            yield Document("".join(lines).rstrip("\r\n"), first)
            lines = []
    if lines:
        yield Document("".join(lines).rstrip("\r\n"), first)


def _read_jsonl(path: Path, text_key: str) -> Iterator[Document]:
    for number, line in _lines(path):
        if not line.strip():
            continue
        where = f"Corpus file {path}, line {number + 1}"
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise CorpusError(f"{where} is not JSON in UTF-8: {error}") from error
        if not isinstance(record, dict):
            raise CorpusError(f"{where} is not a JSON object.")
        if text_key not in record:
            raise CorpusError(
                f"{where} has no key '{text_key}', only {', '.join(record)}. Set 'text-key'."
            )
        yield Document(_as_text(record[text_key], where, text_key), number)


def _read_parquet(path: Path, text_key: str) -> Iterator[Document]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            if text_key not in file.schema_arrow.names:
                raise CorpusError(
                    f"Corpus file {path} has no column '{text_key}', only "
                    f"{', '.join(file.schema_arrow.names)}. Set 'text-key'."
                )
            row = 0
            for batch in file.iter_batches(batch_size=256, columns=[text_key]):
                for value in batch.column(0).to_pylist():
                    where = f"Corpus file {path}, row {row}"
                    yield Document(_as_text(value, where, text_key), row)
                    row += 1
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        detail = " ".join(str(error).split())
        raise CorpusError(f"Corpus file {path} is not a sound parquet file: {detail}") from error


def _as_text(value: object, where: str, text_key: str) -> str:
    """Accept text; null is an empty document, as data sets have them."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise CorpusError(f"{where}: '{text_key}' is {type(value).__name__}, expected text.")
    return value


SUFFIXES: dict[str, Reader] = {
    ".txt": _read_text,
    ".txt.gz": _read_text,
    ".txt.zst": _read_text,
    ".jsonl": _read_jsonl,
    ".jsonl.gz": _read_jsonl,
    ".jsonl.zst": _read_jsonl,
    ".parquet": _read_parquet,
}
