"""Token rows by token id: where in the corpus each vocabulary entry stands."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from feature_manifold.core.arrays import Array, check_indptr
from feature_manifold.store.npy import NpyWriter, open_npy, save_npy

TYPE_INDPTR = "type_indptr.npy"
TYPE_TOKENS = "type_tokens.npy"


@dataclass(frozen=True)
class TypeRows:
    """Rows of the token table, sorted by token id, then row. Rows of unknown ids are left out.

    Attributes
    ----------
    indptr
        int64 (n_types + 1,), first entry of each token id; greater ids occur nowhere.
    tokens
        uint32 (n,), rows, rising within a token id.
    """

    indptr: Array
    tokens: Array

    @property
    def n_types(self) -> int:
        """One more than the greatest token id that occurs."""
        return len(self.indptr) - 1

    def count(self, token_id: int) -> int:
        """Return how often a token id occurs."""
        if not 0 <= token_id < self.n_types:
            return 0
        return int(self.indptr[token_id + 1] - self.indptr[token_id])

    def rows(self, token_id: int) -> Array:
        """Return the rows of a token id, uint32 (n,), as a view."""
        if not 0 <= token_id < self.n_types:
            return self.tokens[:0]
        return self.tokens[int(self.indptr[token_id]) : int(self.indptr[token_id + 1])]


def save_type_rows(folder: Path, indptr: Array, blocks: Iterable[Array]) -> None:
    """Write the rows by token id into an ``examples/`` folder, block by block.

    Parameters
    ----------
    indptr
        int64 (n_types + 1,).
    blocks
        uint32 (n_rows,) each; joined they are the ``tokens`` of ``TypeRows``.
    """
    save_npy(folder / TYPE_INDPTR, indptr.astype("<i8"))
    with NpyWriter(folder / TYPE_TOKENS, np.dtype("<u4")) as writer:
        for block in blocks:
            writer.append(block)


def open_type_rows(folder: Path) -> TypeRows:
    """Open the rows by token id in an ``examples/`` folder, memory-mapped.

    Raises
    ------
    MissingArtifactError, CorruptArtifactError
        If a file is missing, truncated or foreign.
    """
    indptr = open_npy(folder / TYPE_INDPTR, dtypes=("<i8",), shape=(None,))
    tokens = open_npy(folder / TYPE_TOKENS, dtypes=("<u4",), shape=(None,))
    check_indptr(str(folder / TYPE_INDPTR), indptr, n_entries=len(tokens))
    return TypeRows(indptr, tokens)
