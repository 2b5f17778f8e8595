"""How a cluster's steps stand to a concept: circular correlation, adjacency, isometry."""

import numpy as np
from scipy.stats import rankdata

from feature_manifold.core.arrays import Float64Array
from feature_manifold.geometry.measures.regression import held_out_r2
from feature_manifold.geometry.measures.steps import Steps

CONCEPT_STATISTICS = (
    "angular_r2",
    "circular_correlation",
    "cyclic_adjacency",
    "ordinal_r2",
    "isometry",
    "periodic_gain",
)


def concept_statistics(steps: Steps, period: float | None) -> Float64Array:
    """Return `CONCEPT_STATISTICS` of a cluster against a concept.

    Parameters
    ----------
    steps
        Of the cluster, in their order on the concept.
    period
        Of the values, on a circle; None for an order, which has no angles.
    """
    nothing = float("nan")
    ordinal = held_out_r2(steps, steps.values[:, None])
    isometry = isometry_of(steps.means, steps.values, period)
    if period is None:
        return np.array([nothing, nothing, nothing, ordinal, isometry, nothing])
    angles = 2 * np.pi * steps.values / period
    angular = held_out_r2(steps, np.column_stack([np.cos(angles), np.sin(angles)]))
    correlation, adjacency = best_circle(steps.components, angles)
    return np.array([angular, correlation, adjacency, ordinal, isometry, angular - ordinal])


def best_circle(components: Float64Array, angles: Float64Array) -> tuple[float, float]:
    """Return circular correlation and cyclic adjacency in the plane with the highest correlation.

    Planes are of consecutive components; found angles are about the origin.

    Parameters
    ----------
    components
        float64 (s, c), centred means of the steps in their principal components.
    angles
        float64 (s,), of the concept, in order.
    """
    best = (float("nan"), float("nan"))
    for first in range(components.shape[1] - 1):
        x, y = components[:, first : first + 2].T
        turned = np.arctan2(y, x)
        correlation = circular_correlation(turned, angles)
        if not correlation <= best[0]:
            best = correlation, cyclic_adjacency(turned)
    return best


def circular_correlation(one: Float64Array, other: Float64Array) -> float:
    """Return the circular correlation of two sets of angles, without its sign.

    Their measure is r = sum sin(a - a0) sin(b - b0) / sqrt(sum sin^2(a - a0) sum sin^2(b - b0)),
    a0 and b0 the mean directions. Angles that are spread evenly, as those of weekdays are, have
    none: what comes out depends on rounding, and r of two perfect circles may be anything. For
    these they put (R(a - b) - R(a + b)) / 2 for the numerator, R the length of the sum of unit
    vectors. It is used throughout.

    Parameters
    ----------
    one, other
        float64 (n,), in radians.

    Returns
    -------
    float
        In [0, 1]; NaN if either does not vary.

    References
    ----------
    Jammalamadaka and SenGupta (2001), Topics in circular statistics, section 8.2.
    """
    apart = abs(np.exp(1j * (one - other)).sum())
    along = abs(np.exp(1j * (one + other)).sum())
    spread = _sines(one) * _sines(other)
    return min(float(abs(apart - along) / (2 * np.sqrt(spread))), 1.0) if spread > 0 else np.nan


def _sines(angles: Float64Array) -> float:
    mean = np.angle(np.exp(1j * angles).sum())
    return float((np.sin(angles - mean) ** 2).sum())


def cyclic_adjacency(turned: Float64Array) -> float:
    """Return the share of successive steps, the last and the first too, that are neighbours.

    Parameters
    ----------
    turned
        float64 (s,), found angle of each step, in the order of the concept.
    """
    n = len(turned)
    order = np.argsort(turned, kind="stable")
    place = np.empty(n, dtype=np.int64)
    place[order] = np.arange(n)
    apart = (place - np.roll(place, 1)) % n
    return float(((apart == 1) | (apart == n - 1)).mean())


def isometry_of(directions: Float64Array, values: Float64Array, period: float | None) -> float:
    """Return Spearman's correlation of concept distance and 1 - cosine over pairs of steps.

    Parameters
    ----------
    directions
        float64 (s, r), mean points, about the origin.
    values
        float64 (s,).
    period
        Distance goes the shorter way round; None: along the line.

    References
    ----------
    Modell et al. (2025), arXiv 2505.18235: cosine(z, z') = g(d(z, z')^2) with g monotone.
    """
    lengths = np.linalg.norm(directions, axis=1)
    if len(values) < 3 or not lengths.all():
        return float("nan")
    first, second = np.triu_indices(len(values), 1)
    apart = np.abs(values[first] - values[second])
    if period is not None:
        apart = np.minimum(apart % period, period - apart % period)
    units = directions / lengths[:, None]
    # Rounding would order pairs that are equally far apart.
    away = np.round(1 - (units @ units.T)[first, second], 12)
    ranks, others = rankdata(np.round(apart, 12)), rankdata(away)
    if not np.ptp(ranks) or not np.ptp(others):
        return float("nan")
    return float(np.corrcoef(ranks, others)[0, 1])
