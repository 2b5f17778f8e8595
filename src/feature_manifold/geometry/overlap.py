"""Co-firing: on how many tokens two latents fire together, for every pair, in one pass."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from feature_manifold.core.arrays import Array
from feature_manifold.core.kernels import kernel
from feature_manifold.core.progress import Progress
from feature_manifold.geometry.neighbours import NOBODY, Neighbours, offer, settle
from feature_manifold.store.firings import FiringsByLatent, FiringsByToken

MIN_LIFT = 3.0
"""Below this multiple of what independent latents would share, an overlap says nothing."""

LATENTS_PER_JOB = 64
N_MEASURES = 3


@dataclass(frozen=True)
class Overlap:
    """What one pass over all co-firing pairs yields. A and B hold the tokens of two latents.

    Attributes
    ----------
    counts
        Best by |A ∩ B|.
    jaccard
        Best by |A ∩ B| / |A ∪ B|.
    coefficient
        Best by |A ∩ B| / min(|A|, |B|), among pairs of lift at least MIN_LIFT, where
        lift = |A ∩ B| n_tokens / (|A| |B|).
    pair_counts
        int32 (n_latents, m), |A ∩ B| of the pairs that were asked for.
    """

    counts: Neighbours
    jaccard: Neighbours
    coefficient: Neighbours
    pair_counts: Array


def overlap_neighbours(
    by_latent: FiringsByLatent,
    by_token: FiringsByToken,
    *,
    k: int,
    pairs: Array,
    n_workers: int = 1,
    progress: Progress,
) -> Overlap:
    """Count co-firings of every pair of latents and keep the best of each latent.

    A latent's row is counted by walking its tokens and, on each, the latents that fire: the sum
    over tokens of (latents on it)² increments, 3.6e10 for 10 M tokens of 60. Only one row of
    counts exists at a time and worker: 65k x 4 bytes stay in the second-level cache.

    Parameters
    ----------
    by_latent, by_token
        The same firings, both ways. May be memory-mapped.
    k
        Neighbours kept per latent and measure, at least 1.
    pairs
        int32 (n_latents, m), latents whose count with each latent is wanted too; -1 for nobody.
    n_workers
        Threads; the result does not depend on it.
    progress
        Told of latents.

    Returns
    -------
    Overlap
        Counts are whole and symmetric; only pairs that fire together somewhere are neighbours.
    """
    n = by_latent.n_latents
    ids = np.full((N_MEASURES, n, k), NOBODY, dtype=np.int32)
    values = np.zeros((N_MEASURES, n, k), dtype=np.float32)
    pair_counts = np.zeros(pairs.shape, dtype=np.int32)
    pairs = np.ascontiguousarray(pairs, dtype=np.int32)

    def count(first: int) -> int:
        last = min(first + LATENTS_PER_JOB, n)
        _count_rows(
            np.asarray(by_latent.indptr),
            np.asarray(by_latent.tokens),
            np.asarray(by_token.indptr),
            np.asarray(by_token.latents),
            by_latent.n_tokens,
            first,
            last,
            pairs,
            pair_counts,
            ids,
            values,
        )
        return last - first

    with (
        progress.task("co-firing neighbours", total=n, unit="latents") as task,
        ThreadPoolExecutor(n_workers) as pool,
    ):
        for done in pool.map(count, range(0, n, LATENTS_PER_JOB)):
            task.advance(done)
    counts, jaccard, coefficient = (Neighbours(ids[m], values[m]) for m in range(N_MEASURES))
    return Overlap(counts, jaccard, coefficient, pair_counts)


@kernel()
def _measure(which: int, shared: int, one: int, other: int, n_tokens: int) -> float:
    """Return one measure of |A ∩ B|, |A|, |B|: 0 count, 1 Jaccard, 2 overlap coefficient."""
    if which == 0:
        return np.float64(shared)
    if which == 1:
        return shared / (one + other - shared)
    if np.float64(shared) * n_tokens < MIN_LIFT * np.float64(one) * np.float64(other):
        return 0.0
    return shared / min(one, other)


@kernel()
def _count_rows(
    indptr: Array,
    tokens: Array,
    token_indptr: Array,
    token_latents: Array,
    n_tokens: int,
    first: int,
    last: int,
    pairs: Array,
    pair_counts: Array,
    out_ids: Array,
    out_values: Array,
) -> None:
    """Count the rows ``[first, last)`` and rank each by every measure, in float64."""
    n_latents = len(indptr) - 1
    shared = np.zeros(n_latents, dtype=np.int32)
    values = np.empty((N_MEASURES, out_ids.shape[2]), dtype=np.float64)
    sizes = np.zeros(N_MEASURES, dtype=np.int64)
    for latent in range(first, last):
        for entry in range(indptr[latent], indptr[latent + 1]):
            token = tokens[entry]
            for at in range(token_indptr[token], token_indptr[token + 1]):
                shared[token_latents[at]] += 1
        for column in range(pairs.shape[1]):
            if pairs[latent, column] >= 0:
                pair_counts[latent, column] = shared[pairs[latent, column]]
        own = indptr[latent + 1] - indptr[latent]
        sizes[:] = 0
        for other in range(n_latents):
            both = int(shared[other])
            shared[other] = 0
            if both == 0 or other == latent:
                continue
            size = indptr[other + 1] - indptr[other]
            for which in range(N_MEASURES):
                value = _measure(which, both, own, size, n_tokens)
                if value > 0:
                    ids = out_ids[which, latent]
                    sizes[which] = offer(values[which], ids, sizes[which], value, other)
        for which in range(N_MEASURES):
            settle(values[which], out_ids[which, latent], sizes[which])
            for place in range(sizes[which]):
                out_values[which, latent, place] = values[which, place]
