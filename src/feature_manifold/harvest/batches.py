"""Which windows go through the model together: shards, pools, batches."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feature_manifold.core.arrays import Array

POOL_ROWS = 1 << 16
"""Rows whose residual vectors are held at a time: 65,536 x 5,376 x bfloat16 = 705 MB."""

LENGTH_ALIGNED = 8
"""Windows are padded to a multiple of this, which suits tensor cores."""

LEAST_LENGTH = 16
"""Shorter windows would take the BLAS's code paths for a handful of rows, whose last bits differ.
"""

STEPS_PER_OCTAVE = 8
"""Padded lengths between one power of two and the next. On lengths like the Pile's, 2 % is padding
and a batch has 1,600 rows."""


@dataclass(frozen=True)
class Batch:
    """Windows that go through the model together.

    Attributes
    ----------
    windows
        int64 (n,), window numbers.
    length
        Columns of the padded batch.
    """

    windows: npt.NDArray[np.int64]
    length: int


def cut_ranges(windows: Array, *, rows: int, first: int, last: int) -> list[tuple[int, int]]:
    """Cut windows ``[first, last)`` into consecutive groups of about ``rows`` token rows.

    A group ends with the window that fills it, so every group but the last has at least ``rows``
    and less than ``rows`` + one window's rows.

    Parameters
    ----------
    windows
        int64 (n_windows + 1,), offsets into the token table.
    rows
        Rows wanted in a group, at least 1.
    first, last
        Range of windows to cut.

    Returns
    -------
    list of (int, int)
        Window ranges that follow each other.
    """
    groups = []
    while first < last:
        full = int(np.searchsorted(windows, int(windows[first]) + rows))
        stop = min(max(full, first + 1), last)
        groups.append((first, stop))
        first = stop
    return groups


def padded_lengths(lengths: Array) -> npt.NDArray[np.int64]:
    """Return how many columns the model sees of windows that have ``lengths`` rows.

    It depends on the window alone and not on its batch: attention kernels cut their work by the
    number of columns, so that the last bits of a window's residuals depend on its padding.

    Parameters
    ----------
    lengths
        Integers (n,), at least 1.
    """
    # The exponent of x - 1 is that of the power of two which is at least x.
    octave = 1 << np.frexp(lengths - 1)[1].astype(np.int64)
    step = np.maximum(octave // (2 * STEPS_PER_OCTAVE), LENGTH_ALIGNED)
    padded: npt.NDArray[np.int64] = np.maximum(-(-lengths // step) * step, LEAST_LENGTH)
    return padded


def batches_by_length(windows: Array, *, first: int, last: int, max_rows: int) -> Iterator[Batch]:
    """Group windows ``[first, last)`` by padded length, longest first.

    Parameters
    ----------
    windows
        int64 (n_windows + 1,), offsets into the token table.
    first, last
        Range of windows.
    max_rows
        Bound on the padded size of a batch; a longer window goes alone.

    Yields
    ------
    Batch
        Together they hold every window once.
    """
    shortness = -padded_lengths(np.diff(windows[first : last + 1]))
    order = np.argsort(shortness, kind="stable")
    shortness = shortness[order]
    start = 0
    while start < len(order):
        length = -int(shortness[start])
        alike = int(np.searchsorted(shortness, -length, side="right"))
        stop = min(start + max(max_rows // length, 1), alike)
        yield Batch(order[start:stop] + first, length)
        start = stop


def padded_rows(windows: Array, ranges: list[tuple[int, int]], *, max_rows: int) -> int:
    """Return how many rows, padding included, the model sees for these window ranges."""
    return sum(
        len(batch.windows) * batch.length
        for first, last in ranges
        for pool in cut_ranges(windows, rows=POOL_ROWS, first=first, last=last)
        for batch in batches_by_length(windows, first=pool[0], last=pool[1], max_rows=max_rows)
    )
