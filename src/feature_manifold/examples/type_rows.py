"""Sort the rows of the token table by token id: a counting sort, some token ids at a time."""

from collections.abc import Iterator

import numpy as np

from feature_manifold.core.arrays import Array, Int64Array
from feature_manifold.core.counting import n_token_ids
from feature_manifold.core.jobs import even_jobs
from feature_manifold.core.kernels import kernel

BLOCK_ROWS = 1 << 26
"""Rows sorted at a time, about: 256 MB. The table is read once for each block."""

COUNT_ROWS = 1 << 22
"""Rows counted at a time."""


def type_offsets(token_id: Array) -> Int64Array:
    """Return where the rows of each token id start, int64 (n_types + 1,).

    Parameters
    ----------
    token_id
        int32 (n_tokens,), may be memory-mapped; negative where unknown, and left out.
    """
    counts = np.zeros(n_token_ids(token_id), dtype=np.int64)
    for first in range(0, len(token_id), COUNT_ROWS):
        part = np.asarray(token_id[first : first + COUNT_ROWS])
        counts += np.bincount(part[part >= 0], minlength=len(counts))
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])


def rows_by_type(
    token_id: Array, offsets: Int64Array, *, block_rows: int = BLOCK_ROWS
) -> Iterator[Array]:
    """Yield the rows by token id, then row, in blocks, uint32 (n,) each.

    Parameters
    ----------
    token_id
        int32 (n_tokens,), as ``type_offsets`` takes it.
    offsets
        What ``type_offsets`` returned.
    block_rows
        Rows held in memory, about; those of one token id are never parted. The result does not
        depend on it.
    """
    for first, last in even_jobs(offsets, entries=block_rows, per_row=0):
        block = np.empty(int(offsets[last] - offsets[first]), dtype=np.uint32)
        cursor = offsets[first:last] - offsets[first]
        _place(token_id, first, cursor, block)
        yield block


@kernel()
def _place(token_id: Array, first: int, cursor: Array, block: Array) -> None:
    """Put each row of the token ids from ``first`` on behind those that its id has."""
    for row in range(len(token_id)):
        found = np.int64(token_id[row]) - first
        if 0 <= found < len(cursor):
            block[cursor[found]] = row
            cursor[found] += 1
