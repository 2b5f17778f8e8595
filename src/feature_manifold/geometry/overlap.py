"""Co-firing: on how many tokens two latents fire together, for every pair, in one pass."""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from feature_manifold.core.arrays import Array
from feature_manifold.core.progress import Progress
from feature_manifold.geometry.cofirings import Cofirings, CountedCofirings
from feature_manifold.geometry.neighbours import NOBODY, Neighbours
from feature_manifold.geometry.ranking import rank_rows
from feature_manifold.store.firings import FiringsByLatent, FiringsByToken
from feature_manifold.store.npy import release

JOB_WORK = 1 << 28
"""Increments and looks at counts in one job, about a second: threads end together, and soon when
the run is stopped."""


@dataclass(frozen=True)
class Overlap:
    """What one pass over all co-firing pairs yields. A and B hold the tokens of two latents.

    Attributes
    ----------
    counts
        Best by |A ∩ B|; values are float64 if one is above 2**24, which float32 cannot hold.
    jaccard
        Best by |A ∩ B| / |A ∪ B|.
    coefficient
        Best by |A ∩ B| / min(|A|, |B|), among pairs of lift at least MIN_LIFT, where
        lift = |A ∩ B| n_tokens / (|A| |B|).
    pair_counts
        int64 (n_latents, m), |A ∩ B| of the pairs that were asked for.
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
    make_cofirings: Callable[[FiringsByLatent, FiringsByToken], Cofirings] = CountedCofirings,
    progress: Progress,
) -> Overlap:
    """Count co-firings of every pair of latents and keep the best of each latent.

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
    make_cofirings
        What counts: the processor, or ``torch_products.TorchCofirings``.
    progress
        Told of latents.

    Returns
    -------
    Overlap
        Counts are whole and symmetric; only pairs that fire together somewhere are neighbours.

    Raises
    ------
    CorruptArtifactError
        If the firings are of latents or tokens that do not exist.
    """
    n = by_latent.n_latents
    cofirings = make_cofirings(by_latent, by_token)
    sizes = np.diff(by_latent.indptr)
    rough_sizes = sizes.astype(np.float32)
    ids = np.full((n, 3, k), NOBODY, dtype=np.int32)
    values = np.zeros((n, 3, k), dtype=np.float64)
    pairs = np.ascontiguousarray(pairs, dtype=np.int32)
    pair_counts = np.zeros(pairs.shape, dtype=np.int64)

    def work(job: tuple[int, int]) -> int:
        first, last = job
        for start in range(first, last, cofirings.rows_at_once):
            stop = min(start + cofirings.rows_at_once, last)
            if not sizes[start:stop].any():
                continue
            counts = cofirings.rows(start, stop)
            span = slice(start, stop)
            rank_rows(
                counts, start, sizes, rough_sizes, by_latent.n_tokens,
                pairs[span], pair_counts[span], ids[span], values[span],
            )  # fmt: skip
        release(by_latent.tokens)
        return last - first

    with (
        progress.task("co-firing neighbours", total=n, unit="latents") as task,
        ThreadPoolExecutor(n_workers) as pool,
    ):
        for done in pool.map(work, equal_jobs(sizes, by_latent.n_tokens)):
            task.advance(done)
    by_count, by_jaccard, by_coefficient = (ids[:, which].copy() for which in range(3))
    return Overlap(
        Neighbours(by_count, whole_counts(values[:, 0])),
        Neighbours(by_jaccard, values[:, 1].astype(np.float32)),
        Neighbours(by_coefficient, values[:, 2].astype(np.float32)),
        pair_counts,
    )


def whole_counts(values: Array) -> Array:
    """Return counts as float32 if all are at most 2**24, up to which it is exact; else float64."""
    fits = values.max(initial=0) <= 1 << 24
    return values.astype(np.float32 if fits else np.float64)


def equal_jobs(sizes: Array, n_tokens: int) -> list[tuple[int, int]]:
    """Cut the latents into runs of about the same work, by their firings."""
    per_token = int(sizes.sum()) // max(n_tokens, 1) + 1
    ends = np.cumsum(sizes * per_token + len(sizes))
    cuts = np.flatnonzero(np.diff(ends // JOB_WORK)) + 1
    edges = [0, *cuts.tolist(), len(sizes)]
    return list(itertools.pairwise(edges)) if len(sizes) else []
