"""Runs of whole rows that hold a bounded number of entries."""

from collections.abc import Iterator

import numpy as np

from feature_manifold.core.arrays import Int64Array

BLOCK_FIRINGS = 1 << 23
"""Firings held in memory at a time: 8 M x 6 bytes = 50 MB, and as much again for copies."""


def row_blocks(indptr: Int64Array, *, max_entries: int) -> Iterator[tuple[int, int]]:
    """Cut rows into consecutive runs.

    Parameters
    ----------
    indptr
        int64 (n_rows + 1,).
    max_entries
        Entries that a run may hold; a single longer row is a run of its own.

    Yields
    ------
    tuple of int
        First row and end of each run; together they cover all rows in order.
    """
    n_rows = len(indptr) - 1
    first = 0
    while first < n_rows:
        limit = indptr[first] + max_entries
        last = int(np.searchsorted(indptr, limit, side="right")) - 1
        last = min(max(last, first + 1), n_rows)
        yield first, last
        first = last
