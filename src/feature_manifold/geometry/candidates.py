"""Latents that may be among the nearest, from rough cosines of a known error."""

from typing import NamedTuple

import numpy as np

from feature_manifold.core.arrays import Array
from feature_manifold.core.kernels import kernel
from feature_manifold.geometry.exact import exact_cosine
from feature_manifold.geometry.neighbours import offer, settle

SPARE = 600
"""Candidates that a latent has room for, beyond twice those kept."""

ROUNDING = 1e-7
"""More than two cosines, and a bound, are off by when they are rounded to float32."""


class Candidates(NamedTuple):
    """Of each latent, all seen so far that may be among its best ``k``: kernels write to it.

    Attributes
    ----------
    k
        Neighbours wanted.
    rows
        float32 (n_latents, d_model), the decoder.
    norms
        float64 (n_latents,), lengths of its rows.
    errors
        float64 (n_latents,), how far at most a rough cosine is from the true one, besides
        ``relative`` of its size.
    relative
        Part of the error that grows with the rough cosine: products rounded to bfloat16.
    ids
        int32 (n_latents, room), the first ``sizes`` of each row.
    values
        float32 (n_latents, room), rough cosines.
    sizes
        int64 (n_latents,).
    floors
        float32 (n_latents,): a rough cosine below it is of none of the best. Infinite for rows of
        zeros.
    """

    k: int
    rows: Array
    norms: Array
    errors: Array
    relative: float
    ids: Array
    values: Array
    sizes: Array
    floors: Array


def no_candidates(
    rows: Array, norms: Array, *, k: int, errors: Array, relative: float
) -> Candidates:
    """Return room for candidates, empty: 0.4 GB for 65,536 latents and a ``k`` of 100."""
    n = len(norms)
    room = min(n, 2 * k + SPARE)
    return Candidates(
        k,
        rows,
        norms,
        errors,
        relative,
        np.empty((n, room), dtype=np.int32),
        np.empty((n, room), dtype=np.float32),
        np.zeros(n, dtype=np.int64),
        np.where(norms > 0, -np.inf, np.inf).astype(np.float32),
    )


@kernel()
def collect_rows(
    similar: Array, first: int, other_first: int, start: int, stop: int, candidates: Candidates
) -> None:
    """Offer a block's columns to its rows ``[start, stop)``; other rows may be done meanwhile.

    Parameters
    ----------
    similar
        float32 (n, m), rough cosines of the latents from ``first`` on with those from
        ``other_first`` on.
    """
    ids, values, sizes = candidates.ids, candidates.values, candidates.sizes
    norms, floors, room = candidates.norms, candidates.floors, candidates.ids.shape[1]
    for row in range(start, stop):
        latent = first + row
        for column in range(similar.shape[1]):
            if similar[row, column] >= floors[latent]:
                other = other_first + column
                if norms[other] > 0 and other != latent:
                    size = sizes[latent]
                    ids[latent, size] = other
                    values[latent, size] = similar[row, column]
                    sizes[latent] = size + 1
                    if size + 1 == room:
                        _thin_out(candidates, latent)


@kernel()
def collect_columns(
    similar: Array, first: int, other_first: int, start: int, stop: int, candidates: Candidates
) -> None:
    """Offer a block's rows to its columns ``[start, stop)``, as ``collect_rows`` does."""
    ids, values, sizes = candidates.ids, candidates.values, candidates.sizes
    norms, floors, room = candidates.norms, candidates.floors, candidates.ids.shape[1]
    for row in range(len(similar)):
        other = first + row
        if norms[other] == 0:
            continue
        for column in range(start, stop):
            latent = other_first + column
            if similar[row, column] >= floors[latent]:
                size = sizes[latent]
                ids[latent, size] = other
                values[latent, size] = similar[row, column]
                sizes[latent] = size + 1
                if size + 1 == room:
                    _thin_out(candidates, latent)


@kernel()
def _thin_out(candidates: Candidates, latent: int) -> None:
    """Raise the floor of a latent whose room is full, and drop what is below.

    The k best so far are truly at least the k-th rough cosine less its error. What is below that
    even with its own error added is of none of the best, ties included.
    """
    ids, values = candidates.ids[latent], candidates.values[latent]
    k, room = candidates.k, len(ids)
    worst = np.float64(_greatest(values, k))
    error = candidates.errors[latent] + candidates.relative * abs(worst)
    floor = np.float32(worst - 2.01 * error - ROUNDING)
    size = 0
    for at in range(room):
        if values[at] >= floor:
            ids[size] = ids[at]
            values[size] = values[at]
            size += 1
    candidates.floors[latent] = floor
    if size > (room + k) // 2:
        size = _keep_best(candidates, latent, size)
    candidates.sizes[latent] = size


@kernel()
def _greatest(values: Array, k: int) -> float:
    """Return the k-th greatest value: quickselect. numpy's takes seconds to compile here."""
    values = values.copy()
    low, high, place = 0, len(values) - 1, k - 1
    while low < high:
        pivot = values[(low + high) // 2]
        left, right = low, high
        while left <= right:
            while values[left] > pivot:
                left += 1
            while values[right] < pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left += 1
                right -= 1
        if place <= right:
            high = right
        elif place >= left:
            low = left
        else:
            break
    found: float = values[place]
    return found


@kernel()
def _keep_best(candidates: Candidates, latent: int, size: int) -> int:
    """Keep just the exact best where too many are as good as equal; return how many."""
    best = np.empty(candidates.k, dtype=np.float64)
    best_ids = np.empty(candidates.k, dtype=np.int32)
    found = 0
    for at in range(size):
        other = candidates.ids[latent, at]
        value = exact_cosine(candidates.rows, candidates.norms, latent, other)
        found = offer(best, best_ids, found, value, other)
    for at in range(found):
        candidates.ids[latent, at] = best_ids[at]
        candidates.values[latent, at] = best[at]
    return found


@kernel()
def rank_candidates(
    candidates: Candidates, start: int, stop: int, out_ids: Array, out_values: Array
) -> None:
    """Find the exact best of the latents ``[start, stop)``: likely ones first, to end soon.

    Parameters
    ----------
    out_ids, out_values
        int32 and float32 (n_latents, k), of -1 and 0, written.
    """
    best = np.empty(candidates.k, dtype=np.float64)
    for latent in range(start, stop):
        found = 0
        rough = candidates.values[latent, : candidates.sizes[latent]]
        for at in np.argsort(-rough):
            error = candidates.errors[latent] + candidates.relative * abs(rough[at])
            if found == candidates.k and rough[at] + 1.01 * error + ROUNDING < best[0]:
                break
            other = candidates.ids[latent, at]
            value = exact_cosine(candidates.rows, candidates.norms, latent, other)
            found = offer(best, out_ids[latent], found, value, other)
        settle(best, out_ids[latent], found)
        for place in range(found):
            out_values[latent, place] = best[place]
