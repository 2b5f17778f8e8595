"""Neighbours by direction and co-firing together: the second layout's notion of near."""

import numpy as np

from feature_manifold.core.arrays import Array, Float32Array, Int64Array
from feature_manifold.core.progress import Progress
from feature_manifold.geometry.cosine import pair_cosines
from feature_manifold.geometry.neighbours import NOBODY, Neighbours, no_neighbours
from feature_manifold.geometry.overlap import Overlap
from feature_manifold.geometry.ranking import MIN_LIFT

BLOCK = 4096
"""Latents ranked at a time: 60 MB of lists of 200."""


def overlap_coefficients(
    shared: Array, ids: Array, own: Int64Array, counts: Int64Array, n_tokens: int
) -> Float32Array:
    """Return |A ∩ B| / min(|A|, |B|), 0 at lift below MIN_LIFT, of listed pairs.

    Parameters
    ----------
    shared
        int64 (n, m), |A ∩ B| of some latents.
    ids
        int32 (n, m), the other latent; where it is -1, ``shared`` is 0.
    own
        int64 (n,), firings of those latents.
    counts
        int64 (n_latents,), firings of each latent.
    n_tokens
        Rows of the token table.

    Returns
    -------
    numpy.ndarray
        float32 (n, m), in [0, 1].
    """
    one = own[:, None].astype(np.float64)
    other = counts[ids].astype(np.float64)
    lifted = (shared > 0) & (shared.astype(np.float64) * n_tokens >= MIN_LIFT * one * other)
    coefficients = np.divide(
        shared, np.minimum(one, other), out=np.zeros(ids.shape, dtype=np.float64), where=lifted
    )
    return coefficients.astype(np.float32)


def combined_neighbours(
    decoder: Float32Array,
    counts: Int64Array,
    n_tokens: int,
    *,
    cosine: Neighbours,
    overlap: Overlap,
    k: int,
    n_workers: int = 1,
    progress: Progress,
) -> Neighbours:
    """Rank latents by 0.5 cosine + 0.5 overlap coefficient (0 at lift below 3).

    Candidates are the best by cosine and the best by overlap coefficient; a pair that is in
    neither list is taken to be no neighbour. With lists of 100 and ``k`` of 15 that loses almost
    nothing, which the tests measure.

    Parameters
    ----------
    decoder
        float32 (n_latents, d_model). May be memory-mapped.
    counts
        int64 (n_latents,), firings of each latent.
    n_tokens
        Rows of the token table.
    cosine
        From ``cosine_neighbours``.
    overlap
        From ``overlap_neighbours``, asked for the pairs ``cosine.ids``.
    k
        Neighbours per latent.
    n_workers
        Threads; the result does not depend on it.
    progress
        Told of latents.

    Returns
    -------
    Neighbours
        Values in [-0.5, 1]. A latent that never fires has its neighbours by cosine; one whose
        decoder row is zero, those by overlap.
    """
    turned = pair_cosines(decoder, overlap.coefficient.ids, n_workers=n_workers, progress=progress)
    found = no_neighbours(len(counts), min(k, cosine.ids.shape[1] + turned.shape[1]))
    for start in range(0, len(counts), BLOCK):
        span = slice(start, start + BLOCK)
        shared = overlap_coefficients(
            overlap.pair_counts[span], cosine.ids[span], counts[span], counts, n_tokens
        )
        by_cosine, by_overlap = cosine.values[span], overlap.coefficient.values[span]
        ids = np.concatenate([cosine.ids[span], overlap.coefficient.ids[span]], axis=1)
        values = np.concatenate([by_cosine + shared, turned[span] + by_overlap], axis=1)
        values *= np.float32(0.5)
        values[ids == NOBODY] = -np.inf
        ids, values = _sorted(ids, values)
        # A latent in both lists has the same value twice: its two entries are now side by side.
        twice = np.zeros(ids.shape, dtype=bool)
        twice[:, 1:] = ids[:, 1:] == ids[:, :-1]
        ids[twice] = NOBODY
        values[twice] = -np.inf
        ids, values = _sorted(ids, values)
        values[ids == NOBODY] = 0
        found.ids[span], found.values[span] = ids[:, :k], values[:, :k]
    return found


def _sorted(ids: Array, values: Float32Array) -> tuple[Array, Float32Array]:
    order = np.lexsort((ids, -values), axis=1)
    return np.take_along_axis(ids, order, axis=1), np.take_along_axis(values, order, axis=1)
