"""Work cut into pieces of about one size, done by threads, its results in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from feature_manifold.core.arrays import Int64Array

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


def even_jobs(indptr: Int64Array, *, entries: int, per_row: int) -> list[tuple[int, int]]:
    """Cut rows into consecutive jobs of about equal work.

    Parameters
    ----------
    indptr
        int64 (n_rows + 1,).
    entries
        Entries of a job, about; one of a longer row has that row last.
    per_row
        Entries that a row costs even if it has none.

    Returns
    -------
    list of tuple of int
        First row and end of each job; together they cover all rows in order.
    """
    n_rows = len(indptr) - 1
    work = indptr[:-1] + per_row * np.arange(n_rows)
    firsts = np.flatnonzero(np.diff(work // entries, prepend=-1)).tolist()
    return list(zip(firsts, [*firsts[1:], n_rows][: len(firsts)], strict=True))


def in_order(
    work: Callable[[ItemT], ResultT], items: Iterable[ItemT], *, n_workers: int
) -> Generator[ResultT]:
    """Yield ``work(item)`` of each item in order; threads work a few items ahead.

    An error of one item, or closing the generator, ends it as soon as the items at work are done;
    close it (``contextlib.closing``) where the work uses what is put away after the loop.
    """
    pool = ThreadPoolExecutor(n_workers)
    waiting: deque[Future[ResultT]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > 2 * n_workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
