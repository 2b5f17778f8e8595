"""The best of a row of counts by three measures, without dividing what cannot be among them."""

import numpy as np

from feature_manifold.core.arrays import Array
from feature_manifold.core.kernels import kernel
from feature_manifold.geometry.neighbours import offer, settle

MIN_LIFT = 3.0
"""Below this multiple of what independent latents would share, an overlap says nothing."""

BLOCK = 32
"""Counts that are tested together, by vector instructions."""

SLACK = 1 - 1e-12
ROUGH_SLACK = 1 - 1e-6
"""What a product in float64, or in float32, of a bound must be lowered by to be surely below it."""


@kernel()
def rank_rows(
    counts: Array,
    start: int,
    sizes: Array,
    rough_sizes: Array,
    n_tokens: int,
    pairs: Array,
    pair_counts: Array,
    ids: Array,
    values: Array,
) -> None:
    """Keep the best of each latent by count, Jaccard and overlap coefficient, in float64.

    Parameters
    ----------
    counts
        int32 or int64 (n, n_latents), |A ∩ B| of the latents from ``start`` on with all.
    start
        First latent.
    sizes
        int64 (n_latents,), firings of each latent.
    rough_sizes
        The same in float32.
    n_tokens
        Rows of the token table.
    pairs
        int32 (n, m), whose counts are wanted; -1 for nobody.
    pair_counts
        int64 (n, m), written.
    ids, values
        int32 and float64 (n, 3, k), of -1 and 0, written; the second axis is the measure.
    """
    for row in range(len(counts)):
        for column in range(pairs.shape[1]):
            if pairs[row, column] >= 0:
                pair_counts[row, column] = counts[row, pairs[row, column]]
        _rank(counts[row], start + row, sizes, rough_sizes, n_tokens, ids[row], values[row])


@kernel()
def _rank(
    counts: Array,
    latent: int,
    sizes: Array,
    rough_sizes: Array,
    n_tokens: int,
    ids: Array,
    values: Array,
) -> None:
    """Rank one row. The floors are what a latent must reach to replace the worst of the best."""
    k = ids.shape[1]
    found = np.zeros(3, dtype=np.int64)
    floors = np.zeros(3, dtype=np.float64)
    own = np.float64(sizes[latent])
    least_lift = MIN_LIFT * own / max(n_tokens, 1)
    for block in range(0, len(counts), BLOCK):
        end = min(block + BLOCK, len(counts))
        if not _any_may_rank(counts[block:end], rough_sizes[block:end], own, floors, least_lift):
            continue
        for other in range(block, end):
            both = np.float64(counts[other])
            if both == 0 or other == latent:
                continue
            size = np.float64(sizes[other])
            union = own + size - both
            least = min(own, size)
            if both >= floors[0]:
                found[0] = offer(values[0], ids[0], found[0], both, other)
                if found[0] == k:
                    floors[0] = values[0, 0]
            if both >= floors[1] * union:
                found[1] = offer(values[1], ids[1], found[1], both / union, other)
                if found[1] == k:
                    floors[1] = values[1, 0] * SLACK
            if both >= floors[2] * least and both * n_tokens >= MIN_LIFT * own * size:
                found[2] = offer(values[2], ids[2], found[2], both / least, other)
                if found[2] == k:
                    floors[2] = values[2, 0] * SLACK
    for measure in range(3):
        settle(values[measure], ids[measure], found[measure])


@kernel()
def _any_may_rank(
    counts: Array, sizes: Array, own: float, floors: Array, least_lift: float
) -> bool:
    """Return False only if no latent of a block reaches a floor: roughly, in float32."""
    rough_own = np.float32(own)
    by_count = max(np.float32(1), np.float32(floors[0] * ROUGH_SLACK))
    # A count of 0 must not reach a floor of 0.
    by_union = max(np.float32(1e-30), np.float32(floors[1] * ROUGH_SLACK))
    by_least = np.float32(floors[2] * ROUGH_SLACK)
    by_lift = np.float32(least_lift * ROUGH_SLACK)
    reached = np.int32(0)
    for at in range(len(counts)):
        both, size = np.float32(counts[at]), sizes[at]
        reached |= np.int32(both >= by_count)
        reached |= np.int32(both >= by_union * (rough_own + size - both))
        reached |= np.int32(both >= by_least * min(rough_own, size)) & np.int32(
            both >= by_lift * size
        )
    found: bool = reached != 0
    return found
