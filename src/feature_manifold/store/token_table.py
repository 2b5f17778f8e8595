"""The token table: token id, document and position of every token that the model sees."""

import json
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import orjson

from feature_manifold.core.arrays import Array, check_indptr
from feature_manifold.core.errors import CorruptArtifactError, MissingArtifactError
from feature_manifold.store.atomic import write_file
from feature_manifold.store.layout import METADATA, VOCABULARY
from feature_manifold.store.npy import NpyWriter, open_npy, save_npy

TOKEN_ID = "token_id.npy"
DOC_ID = "doc_id.npy"
POSITION = "position.npy"
WINDOWS = "windows.npy"
DOCUMENTS = "documents.npy"

INSERTED = -1
"""Position of a token that the harvest put in (a BOS): it is in no document."""


@dataclass(frozen=True)
class TokenTable:
    """Every token that the model sees, in order; row numbers are what firings point to.

    Attributes
    ----------
    token_id
        int32 (n_tokens,), vocabulary entries; -1 where unknown (adopted data).
    doc_id
        int32 (n_tokens,), document number; -1 where unknown.
    position
        int32 (n_tokens,), offset within the document; -1 for a BOS put in by the harvest.
    windows
        int64 (n_windows + 1,): rows ``windows[w]`` to ``windows[w + 1]`` are one input of the
        model, its BOS first, all of one document.
    documents
        int64 (n_documents, 2): file number and record number of each document.
    """

    token_id: Array
    doc_id: Array
    position: Array
    windows: Array
    documents: Array

    @property
    def n_tokens(self) -> int:
        """Rows, put-in BOS tokens included."""
        return len(self.token_id)

    @property
    def n_windows(self) -> int:
        """Inputs of the model."""
        return len(self.windows) - 1


class TokenTableWriter:
    """Write a token table window by window at constant memory into a staging folder."""

    def __init__(self, folder: Path) -> None:
        self._token_id = NpyWriter(folder / TOKEN_ID, np.int32)
        self._doc_id = NpyWriter(folder / DOC_ID, np.int32)
        self._position = NpyWriter(folder / POSITION, np.int32)
        self._windows = NpyWriter(folder / WINDOWS, np.int64)
        self._documents = NpyWriter(folder / DOCUMENTS, np.int64, (2,))
        self._windows.append(np.zeros(1, dtype=np.int64))

    @property
    def n_tokens(self) -> int:
        """Rows written so far."""
        return self._token_id.n_rows

    @property
    def n_documents(self) -> int:
        """Documents written so far."""
        return self._documents.n_rows

    def append_document(self, *, file: int, record: int) -> int:
        """Register a document by its file and record number and return its doc_id."""
        self._documents.append(np.array([[file, record]], dtype=np.int64))
        return self._documents.n_rows - 1

    def append_window(self, token_id: Array, position: Array, *, doc_id: int) -> None:
        """Append one model input.

        Parameters
        ----------
        token_id
            int (n,), vocabulary entries, the put-in BOS first if the model has one.
        position
            int (n,), offsets within the document, -1 for the put-in BOS.
        doc_id
            The document's number.
        """
        self._token_id.append(token_id.astype(np.int32))
        self._position.append(position.astype(np.int32))
        self._doc_id.append(np.full(len(token_id), doc_id, dtype=np.int32))
        self._windows.append(np.array([self._token_id.n_rows], dtype=np.int64))

    def close(self) -> None:
        """Finish all files."""
        for writer in (
            self._token_id,
            self._doc_id,
            self._position,
            self._windows,
            self._documents,
        ):
            writer.close()

    def __enter__(self) -> "TokenTableWriter":
        """Return the writer."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish all files."""
        self.close()


def save_token_table(folder: Path, table: TokenTable) -> None:
    """Write a whole token table, for data adopted from elsewhere."""
    save_npy(folder / TOKEN_ID, table.token_id.astype(np.int32))
    save_npy(folder / DOC_ID, table.doc_id.astype(np.int32))
    save_npy(folder / POSITION, table.position.astype(np.int32))
    save_npy(folder / WINDOWS, table.windows.astype(np.int64))
    save_npy(folder / DOCUMENTS, table.documents.astype(np.int64))


def open_token_table(folder: Path) -> TokenTable:
    """Open the token table in a ``corpus/`` folder, memory-mapped.

    Raises
    ------
    MissingArtifactError, CorruptArtifactError
        If a file is missing, truncated or foreign.
    """
    token_id = open_npy(folder / TOKEN_ID, dtypes=("<i4",), shape=(None,))
    n_tokens = len(token_id)
    windows = open_npy(folder / WINDOWS, dtypes=("<i8",), shape=(None,))
    check_indptr(str(folder / WINDOWS), windows, n_entries=n_tokens)
    return TokenTable(
        token_id=token_id,
        doc_id=open_npy(folder / DOC_ID, dtypes=("<i4",), shape=(n_tokens,)),
        position=open_npy(folder / POSITION, dtypes=("<i4",), shape=(n_tokens,)),
        windows=windows,
        documents=open_npy(folder / DOCUMENTS, dtypes=("<i8",), shape=(None, 2)),
    )


def save_vocabulary(folder: Path, texts: list[str]) -> None:
    """Write ``vocabulary.json``: the text of each token id, as a JSON array."""
    (folder / VOCABULARY).write_bytes(orjson.dumps(texts))


def load_vocabulary(folder: Path) -> list[str]:
    """Read ``vocabulary.json``.

    Raises
    ------
    MissingArtifactError, CorruptArtifactError
        If it is missing or not an array of strings.
    """
    path = folder / VOCABULARY
    try:
        texts = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        raise MissingArtifactError(
            f"No file {path}. Make it with: fmi run CONFIG.yaml --only corpus"
        ) from None
    except orjson.JSONDecodeError as error:
        raise CorruptArtifactError(f"{path} is not JSON: {error}") from error
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise CorruptArtifactError(f"{path} is not an array of strings.")
    return texts


def save_metadata(folder: Path, values: dict[str, Any]) -> None:
    """Write ``metadata.json`` of a folder."""
    text = json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False)
    write_file(folder / METADATA, text.encode() + b"\n")


def load_metadata(folder: Path) -> dict[str, Any]:
    """Read ``metadata.json`` of a folder.

    Raises
    ------
    MissingArtifactError, CorruptArtifactError
        If it is missing or not a JSON object.
    """
    path = folder / METADATA
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise MissingArtifactError(f"No file {path}. Make it with: fmi run CONFIG.yaml") from None
    except ValueError as error:
        raise CorruptArtifactError(f"{path} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise CorruptArtifactError(f"{path} is not a JSON object.")
    return values
