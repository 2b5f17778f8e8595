"""Is a cluster more than chance? Two matched nulls, corrected for all candidates that were tried.

The statistic says how hollow the mean points of the core tokens are: how little their whitened
squared distances from the centre vary. On circles and tori they are all the same, on even lines,
horseshoes and sheets they vary less than those of a Gaussian. Each null keeps all but one thing:

- ``spectrum``: Gaussian points with exactly the principal variances of the real ones. Linear
  structure stays. A latent per word in directions as different as can be does not beat it.
- ``shuffle``: each latent's mean activations are dealt to the core tokens anew. What each latent
  does alone stays; that latents follow each other over the tokens goes.

A manifold beats both. The corrected p of a candidate compares its statistic, in standard deviations
of its own draws, with the greatest of all candidates in each draw (Westfall and Young 1993): among
any number of candidates without structure, one is called significant at alpha with a probability of
at most alpha.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from feature_manifold.core.arrays import Array, Float64Array
from feature_manifold.core.kernels import kernel
from feature_manifold.core.progress import Progress
from feature_manifold.core.rng import generator
from feature_manifold.geometry.clusters.tuning import Tuning
from feature_manifold.geometry.measures import max_statistic

N_AXES = 4
"""Leading PCs in which points may be hollow; the best number of them counts."""

BLOCK_AXES = 8
"""Axes iterated on for the leading four."""

MOST_PCS = 16
"""PCs in which points are compared with Gaussian ones."""

COINCIDE = 0.15
"""Mean points nearer than this share of their RMS radius count as one."""

MOST_SHUFFLED = 128
"""Core tokens of which a shuffle is drawn; of more, a seeded choice."""


@dataclass(frozen=True)
class Significance:
    """How hollow every candidate is, and the chance of that; float64 (n_candidates,).

    Attributes
    ----------
    hollow
        In standard deviations above Gaussian points of the same spectrum.
    shuffle, spectrum
        p against each null, corrected for all candidates; at least 1 / (draws + 1).
    """

    hollow: Float64Array
    shuffle: Float64Array
    spectrum: Float64Array

    @property
    def both(self) -> Float64Array:
        """The larger p: a small one says that both nulls are beaten."""
        return np.maximum(self.shuffle, self.spectrum)


def significance(
    tunings: Sequence[Tuning], *, draws: int, seed: int, n_workers: int, progress: Progress
) -> Significance:
    """Compare candidates with their nulls.

    Parameters
    ----------
    tunings
        Of every candidate that was tried, also of those that will not be shown.
    draws
        Of each null.
    seed
        A candidate's draws depend on it and on the candidate's members, not on other candidates.
    n_workers
        Threads; the result does not depend on them.
    """

    def draw(tuning: Tuning) -> tuple[Float64Array, Float64Array]:
        rng = generator(seed, "clusters", "nulls", *map(str, tuning.latents.tolist()))
        spectrum = spectrum_statistics(tuning.points, draws, rng)
        return spectrum, shuffle_statistics(tuning, draws, rng)

    statistics = np.empty((2, len(tunings), draws + 1))
    with (
        progress.task("compare with nulls", total=len(tunings), unit="groups") as task,
        ThreadPoolExecutor(n_workers) as pool,
    ):
        for row, found in enumerate(pool.map(draw, tunings)):
            statistics[:, row] = found
            task.advance()
    spectrum, shuffle = statistics
    return Significance(standardised(spectrum)[:, 0], corrected(shuffle), corrected(spectrum))


def spectrum_statistics(points: Float64Array, draws: int, rng: np.random.Generator) -> Float64Array:
    """Return how hollow points are, and then Gaussian ones of the same principal variances.

    Given their principal variances, Gaussian points have principal scores of random orientation:
    orthonormal columns, orthogonal to the constant, uniform among all such.

    Parameters
    ----------
    points
        float64 (n, r); their leading 16 PCs are looked at.
    draws
        Of the Gaussian.

    Returns
    -------
    numpy.ndarray
        float64 (draws + 1,); all 0 where there are too few points or dimensions to tell.
    """
    n = len(points)
    scores, scale, _ = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    rank = min(_rank(scale), MOST_PCS, n - 1)
    normal = rng.standard_normal((draws, n, rank))
    normal -= normal.mean(axis=1, keepdims=True)
    frames = np.concatenate([scores[None, :, :rank], np.linalg.qr(normal)[0]])
    return hollow_statistics(frames * scale[:rank], rng)


def shuffle_statistics(tuning: Tuning, draws: int, rng: np.random.Generator) -> Float64Array:
    """Return how hollow a cluster's mean points are, and then those of shuffled tunings.

    Parameters
    ----------
    tuning
        Of the cluster; of more than 128 core tokens a seeded choice is used, also for the real one.
    draws
        Of the shuffle.

    Returns
    -------
    numpy.ndarray
        float64 (draws + 1,); all 0 where there are too few points or dimensions to tell.
    """
    means = tuning.means
    if len(means) > MOST_SHUFFLED:
        means = means[np.sort(rng.choice(len(means), MOST_SHUFFLED, replace=False))]
    dealt = np.stack([means, *(rng.permuted(means, axis=0) for _ in range(draws))])
    return hollow_statistics((dealt - means.mean(axis=0)) @ tuning.coordinates, rng)


def hollow_statistics(points: Float64Array, rng: np.random.Generator) -> Float64Array:
    """Return how hollow several point sets are, each in the best number of leading axes.

    Points that nearly coincide count as one: many words on which nothing but the hub of a group
    fires would else look like one end of something.

    Parameters
    ----------
    points
        float64 (b, n, r): the real ones first.

    Returns
    -------
    numpy.ndarray
        float64 (b,), -ln of the variance of whitened squared distances, in standard deviations over
        the sets; all 0 where there are too few points or dimensions to tell.
    """
    n = points.shape[1]
    real = np.linalg.svd(points[0] - points[0].mean(axis=0), compute_uv=False)
    n_axes = min(N_AXES, _rank(real), n - 3)
    if n_axes < 1:
        return np.zeros(len(points))
    kept = np.ones(points.shape[:2], dtype=bool)
    _thin(np.ascontiguousarray(points), COINCIDE, kept)
    weights = kept / np.maximum(kept.sum(axis=1, keepdims=True), 1)
    centred = points - np.einsum("bn,bnr->br", weights, points)[:, None]
    scores = leading_scores(centred * kept[:, :, None], n_axes, rng)
    # Whitened: mean square 1 on each axis over the points that are kept.
    squares = scores**2 / np.maximum((weights[:, :, None] * scores**2).sum(axis=1), 1e-30)[:, None]
    distances = np.cumsum(squares, axis=2)
    spread = (weights[:, :, None] * (distances - np.arange(1, n_axes + 1)) ** 2).sum(axis=1)
    return best_of(-np.log(np.maximum(spread, 1e-30)))


@kernel()
def _thin(points: Array, share: float, kept: Array) -> None:
    """Drop points nearer than ``share`` of the RMS radius to an earlier one that is kept."""
    n_sets, n, r = points.shape
    for number in range(n_sets):
        total, length = 0.0, 0.0
        for axis in range(r):
            mean = 0.0
            for point in range(n):
                mean += points[number, point, axis]
                total += points[number, point, axis] ** 2
            length += (mean / n) ** 2
        bound = share * share * (total / n - length)
        for point in range(1, n):
            for other in range(point):
                if not kept[number, other]:
                    continue
                square = 0.0
                for axis in range(r):
                    square += (points[number, point, axis] - points[number, other, axis]) ** 2
                    if square >= bound:
                        break
                if square < bound:
                    kept[number, point] = False
                    break


def leading_scores(points: Float64Array, n_axes: int, rng: np.random.Generator) -> Float64Array:
    """Return the leading principal scores of many centred point sets, by subspace iteration.

    Six steps on ``BLOCK_AXES`` axes: exact where the spectrum falls, and otherwise a mixture of
    axes of about the same variance. Real and random points go the same way, so that no p-value
    depends on it. Full decompositions would take ten times as long.

    Parameters
    ----------
    points
        float64 (b, n, r), each set with mean 0.
    n_axes
        At most ``BLOCK_AXES``.

    Returns
    -------
    numpy.ndarray
        float64 (b, n, n_axes), by falling variance.
    """
    across = points.transpose(0, 2, 1)
    n_block = min(BLOCK_AXES, *points.shape[1:])
    axes = np.broadcast_to(
        np.linalg.qr(rng.standard_normal((points.shape[2], n_block)))[0],
        (len(points), points.shape[2], n_block),
    )
    for _ in range(3):
        axes = np.linalg.qr(across @ (points @ (across @ (points @ axes))))[0]
    scores = points @ axes
    _, turn = np.linalg.eigh(scores.transpose(0, 2, 1) @ scores)
    found: Float64Array = scores @ turn[:, :, : -n_axes - 1 : -1]
    return found


def best_of(statistics: Float64Array) -> Float64Array:
    """Return the greatest of several statistics (draws + 1, n), each in its standard deviations."""
    best: Float64Array = standardised(statistics.T).max(axis=0)
    return best


def standardised(statistics: Float64Array) -> Float64Array:
    """Return rows (n, draws + 1) in standard deviations from their means.

    The real value, in the first column, counts in like the draws, so that all are judged alike.
    """
    centred = statistics - statistics.mean(axis=1, keepdims=True)
    spread = centred.std(axis=1, keepdims=True)
    # Constants may differ in the last bits.
    return np.where(spread > 1e-9, centred / np.maximum(spread, 1e-9), 0.0)


def corrected(statistics: Float64Array) -> Float64Array:
    """Return p-values corrected for all candidates, float64 (n,), at least 1 / (draws + 1).

    Parameters
    ----------
    statistics
        float64 (n, draws + 1): the real one first, then those of its null; more is evidence.
    """
    if not len(statistics):
        return np.zeros(0)
    return max_statistic(statistics[:, 0], statistics[:, 1:])


def _rank(scale: Float64Array) -> int:
    """Return how many singular values, falling, are more than rounding."""
    return int((scale > 1e-9 * max(float(scale[0]), 1e-30)).sum())
