"""Runs of whole rows that hold a bounded number of entries."""

from collections.abc import Callable, Iterator

import numpy as np

from feature_manifold.core.arrays import Array, Int64Array

BLOCK_FIRINGS = 1 << 23
"""Firings that a thread holds in memory: 8 M x 6 bytes = 50 MB, and as much again for the pages of
the mapped files that they are read from."""

WORKING_FIRINGS = 1 << 25
"""Firings that all threads together hold in memory."""

MAX_WORKERS = 16
"""Threads that a pass over the firings uses: more outrun any disk, and make blocks small."""

WriteFirings = Callable[[int, Array, Array], None]
"""Takes (first row, ids uint32, activations): consecutive rows of an index, each row once, in any
order and from several threads."""


def block_size(n_workers: int) -> int:
    """Return how many firings a thread holds when there are ``n_workers`` of them."""
    return min(BLOCK_FIRINGS, WORKING_FIRINGS // n_workers)


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
