"""Which latents fire at given token rows: more than elsewhere, or mostly there."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincinv

from feature_manifold.core.arrays import Array, Int64Array
from feature_manifold.core.errors import InputError
from feature_manifold.examples.occurrences import Occurrences, sampled
from feature_manifold.store.firings import FiringsByToken

MAX_ROWS = 10_000
"""Rows whose firings are read; of more, a sample."""

MAX_FIRINGS = 2_000_000
"""Firings that these rows may have, about: an SAE of many firings per token gets fewer rows."""

BLOCK_FIRINGS = 1 << 18
"""Firings gathered at a time, about."""

MIN_FIRINGS = 8
"""A latent that fires less often in the whole corpus is not ranked by its share."""

CONFIDENCE = 0.95
TINY = float(np.finfo(np.float64).tiny)
MAX_LIMIT = 1000

Order = Literal["lift", "share", "count"]
Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Totals:
    """What a search compares with.

    Attributes
    ----------
    counts
        int64 (n_latents,), firings of each latent in the whole corpus.
    activations
        float64 (n_latents,), their summed activations.
    n_tokens
        Corpus tokens.
    n_firings
        Firings of all latents.
    """

    counts: Int64Array
    activations: Float64Array
    n_tokens: int
    n_firings: int


def totals_of(statistics: Array, *, n_tokens: int) -> Totals:
    """Sum up the statistics of all latents, STATISTICS_DTYPE (n_latents,)."""
    counts = np.array(statistics["count"])
    activations = counts * np.asarray(statistics["mean"], dtype=np.float64)
    return Totals(counts, activations, n_tokens, int(counts.sum()))


@dataclass(frozen=True)
class ResponsibleLatent:
    """A latent that fires at some of the rows.

    Attributes
    ----------
    latent
        The latent.
    fires_here
        On how many of the rows used it fires.
    share_here
        The same, over the number of rows used.
    firings
        Firings in the whole corpus.
    lift
        P(fires | here) / P(fires): how many times more often it fires here than anywhere.
    lift_low
        What the lift exceeds with 95 % confidence, given also that lifts lie about 1: a latent that
        fired here once by chance has a high lift and a low one of these. The ranking is by this.
    activation_here
        Mean activation over the rows used, 0 where it is silent.
    share_inside
        Share of its whole activation that lies here; an estimate if the rows are a sample.
    share_of_rows
        Share that it has in the activation of all latents at these rows.
    """

    latent: int
    fires_here: int
    share_here: float
    firings: int
    lift: float
    lift_low: float
    activation_here: float
    share_inside: float
    share_of_rows: float


@dataclass(frozen=True)
class Responsible:
    """Latents that fire at some rows, best first.

    Attributes
    ----------
    latents
        As many as asked for.
    n_latents
        How many latents fire at the rows used.
    n_occurrences, n_used, is_exact
        How many rows there are, how many of them were read, and whether these are all.
    """

    latents: tuple[ResponsibleLatent, ...]
    n_latents: int
    n_occurrences: int
    n_used: int
    is_exact: bool


def responsible_latents(
    by_token: FiringsByToken,
    totals: Totals,
    occurrences: Occurrences,
    *,
    order: Order = "lift",
    limit: int = 50,
) -> Responsible:
    """Rank the latents that fire at some rows.

    With k firings of a latent on n rows, and F on the N tokens of the corpus, k is taken as
    Poisson with mean lift * E, E = n F / N, and lift as Gamma(1, 1) beforehand, which has mean 1:
    afterwards it is Gamma(k + 1, E + 1), and ``lift_low`` its 5 % quantile.

    Parameters
    ----------
    by_token
        Firings by token; may be memory-mapped: only those of the rows are read.
    totals
        Of the whole corpus.
    occurrences
        The rows; of more than MAX_ROWS, or rows with more than about MAX_FIRINGS, a sample spaced
        evenly is read.
    order
        ``lift`` by ``lift_low``; ``share`` by ``share_inside``, among latents that fire at least
        MIN_FIRINGS times in the corpus; ``count`` by ``fires_here``. Then by ``fires_here``, then
        by the smaller latent.
    limit
        Latents returned at most.

    Raises
    ------
    InputError
        If the limit is not 1 to MAX_LIMIT.

    References
    ----------
    DuMouchel (1999), Bayesian data mining in large frequency tables, The American Statistician 53:
    lifts shrunk towards 1 and ranked by their lower bound.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise InputError(f"limit is {limit:,}: 1 to {MAX_LIMIT:,} latents can be asked for.")
    used = sampled(occurrences, row_cap(totals))
    counts, sums = firings_at(by_token, used.rows, n_latents=len(totals.counts))
    latents = np.flatnonzero(counts)
    here = counts[latents]
    expected = used.n_used * totals.counts[latents] / totals.n_tokens
    low = lower_lift(here, expected)
    scale = used.n_occurrences / max(1, used.n_used)
    inside = np.minimum(1.0, sums[latents] * scale / np.maximum(totals.activations[latents], TINY))
    if order == "share":
        known = np.flatnonzero(totals.counts[latents] >= MIN_FIRINGS)
        best = known[np.lexsort((latents[known], -here[known], -inside[known]))][:limit]
    else:
        key = low if order == "lift" else here
        best = np.lexsort((latents, -here, -key))[:limit]
    everything = max(float(sums.sum()), TINY)
    found = tuple(
        ResponsibleLatent(*row)
        for row in zip(
            latents[best].tolist(),
            here[best].tolist(),
            (here[best] / used.n_used).tolist(),
            totals.counts[latents[best]].tolist(),
            (here[best] / expected[best]).tolist(),
            low[best].tolist(),
            (sums[latents[best]] / used.n_used).tolist(),
            inside[best].tolist(),
            (sums[latents[best]] / everything).tolist(),
            strict=True,
        )
    )
    return Responsible(found, len(latents), used.n_occurrences, used.n_used, used.is_exact)


def row_cap(totals: Totals) -> int:
    """Return how many rows are read at most."""
    per_token = max(1.0, totals.n_firings / max(1, totals.n_tokens))
    return max(1, min(MAX_ROWS, int(MAX_FIRINGS / per_token)))


def lower_lift(here: Int64Array, expected: Float64Array) -> Float64Array:
    """Return what each lift exceeds with 95 % confidence, as ``responsible_latents`` says."""
    # Counts repeat: the quantile, about a microsecond, is computed once for each.
    occurring = np.flatnonzero(np.bincount(here))
    quantiles = np.zeros(int(here.max(initial=0)) + 1)
    quantiles[occurring] = gammaincinv(occurring + 1.0, 1 - CONFIDENCE)
    return np.asarray(quantiles[here] / (expected + 1.0), dtype=np.float64)


def firings_at(
    by_token: FiringsByToken, rows: Int64Array, *, n_latents: int
) -> tuple[Int64Array, Float64Array]:
    """Count and sum the firings of each latent at some rows.

    Returns
    -------
    counts : numpy.ndarray
        int64 (n_latents,).
    sums : numpy.ndarray
        float64 (n_latents,), activations.
    """
    counts = np.zeros(n_latents, dtype=np.int64)
    sums = np.zeros(n_latents)
    for _, latents, activations in gathered(by_token, rows):
        counts += np.bincount(latents, minlength=n_latents)
        sums += np.bincount(latents, weights=activations, minlength=n_latents)
    return counts, sums


def gathered(
    by_token: FiringsByToken, rows: Int64Array
) -> Iterator[tuple[Int64Array, Array, Float64Array]]:
    """Yield the firings at some rows, block by block.

    Yields
    ------
    tuple of numpy.ndarray
        For each firing its place in ``rows``, int64, its latent, uint32, and its activation,
        float64.
    """
    indptr, latents = np.asarray(by_token.indptr), np.asarray(by_token.latents)
    activations = np.asarray(by_token.activations)
    starts = indptr[rows]
    sizes = indptr[rows + 1] - starts
    ends = np.cumsum(sizes)
    first, n_rows = 0, len(rows)
    while first < n_rows:
        done = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + BLOCK_FIRINGS, side="right")))
        place = np.repeat(np.arange(first, last), sizes[first:last])
        entries = np.arange(done, int(ends[last - 1])) + (starts - ends + sizes)[place]
        yield place, latents[entries], activations[entries].astype(np.float64)
        first = last
