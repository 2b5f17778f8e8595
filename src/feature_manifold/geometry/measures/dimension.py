"""How many dimensions a cloud has: of its curved shape, and of the flat space that it fills."""

import numpy as np
from scipy.spatial.distance import pdist

from feature_manifold.core.arrays import Array, Float64Array
from feature_manifold.core.kernels import kernel

#: Share of the points, those with the largest ratio, that the TwoNN fit leaves out.
DROPPED = 0.1
#: Shares of the pairs between whose distances the correlation dimension is fitted: below are the
#: steps of a lattice, above is the size of the whole.
PAIR_SHARES = (0.05, 0.3)
#: Fewer points have too few pairs in this range.
LEAST_FOR_PAIRS = 16
#: Rows of the distance table at a time: 32 MB for 4,096 points.
BLOCK_ROWS = 1024
#: Fewer different points have no dimension to speak of.
LEAST_POINTS = 10


def participation_ratio(variances: Float64Array) -> float:
    """Return (sum of the variances)^2 / sum of their squares.

    Parameters
    ----------
    variances
        float64 (r,), of the principal components; tiny negative ones count as 0.

    Returns
    -------
    float
        From 1 (a line) to r (the same in all directions); NaN if there is no variance.
    """
    positive = np.maximum(variances, 0)
    squares = float((positive**2).sum())
    return float(positive.sum()) ** 2 / squares if squares > 0 else float("nan")


def two_nn(points: Float64Array) -> float:
    """Return the intrinsic dimension by the two nearest neighbours of each point.

    The ratio m = r2 / r1 of the distances to the second and the first neighbour has the
    distribution F(m) = 1 - m^-d wherever the density is about constant over r2. With points in
    order of m and F = i / n, d is the slope of -ln(1 - F) on ln m through the origin, without the
    largest 10 %.

    Exact duplicates are removed first: their r1 is 0. A cloud of reconstructions is full of rays,
    on which a single latent fires.

    Parameters
    ----------
    points
        float64 (n, r).

    Returns
    -------
    float
        NaN for fewer than ten different points.

    References
    ----------
    Facco, d'Errico, Rodriguez, Laio (2017), Estimating the intrinsic dimension of datasets by a
    minimal neighborhood information.
    """
    different = without_duplicates(points)
    n = len(different)
    if n < LEAST_POINTS:
        return float("nan")
    nearest = _nearest_two(different - different.mean(axis=0))
    # Distances that rounding has eaten: as good as duplicates.
    nearest = nearest[nearest[:, 0] > 0]
    if len(nearest) < LEAST_POINTS:
        return float("nan")
    ratios = np.sort(0.5 * np.log(nearest[:, 1] / nearest[:, 0]))
    n = len(ratios)
    kept = n - int(np.ceil(DROPPED * n))
    steep = -np.log1p(-np.arange(1, kept + 1) / n)
    squares = float(ratios[:kept] @ ratios[:kept])
    return float(ratios[:kept] @ steep) / squares if squares > 0 else float("nan")


def correlation_dimension(points: Float64Array) -> float:
    """Return the slope of ln C(r) on ln r, C(r) the share of pairs that are nearer than r.

    For a few dozen points that may lie on a lattice, as mean points of words do: there the two
    nearest neighbours are equally far, and TwoNN fails. Fitted between the 5 % and the 30 % nearest
    pairs.

    Parameters
    ----------
    points
        float64 (n, r), at most some hundreds: all pairs are formed.

    Returns
    -------
    float
        NaN for fewer than 16 points, and if pairs are all equally far.

    References
    ----------
    Grassberger and Procaccia (1983), Measuring the strangeness of strange attractors.
    """
    if len(points) < LEAST_FOR_PAIRS:
        return float("nan")
    distances = np.sort(pdist(points))
    n = len(distances)
    first, last = (int(share * n) for share in PAIR_SHARES)
    if distances[first] <= 0:
        return float("nan")
    x = np.log(distances[first:last])
    y = np.log(np.arange(first + 1, last + 1) / n)
    away = x - x.mean()
    squares = float(away @ away)
    return float(away @ y) / squares if squares > 1e-12 * len(x) else float("nan")


def without_duplicates(points: Float64Array) -> Float64Array:
    """Return the different points (m, r), in their order."""
    if not len(points):
        return points
    # Equal rows have equal sums. Irrational weights keep those of different rows apart.
    weights = np.sqrt(np.arange(2, points.shape[1] + 2)) % 1 + 0.5
    keys = (points * weights).sum(axis=1)
    _, first = np.unique(keys, return_index=True)
    return points[np.sort(first)]


def _nearest_two(points: Float64Array) -> Float64Array:
    """Return squared distances to the nearest and the second nearest other point, (n, 2)."""
    squares = (points**2).sum(axis=1)
    nearest = np.empty((len(points), 2))
    for start in range(0, len(points), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        # |a - b|^2 = |a|^2 + |b|^2 - 2ab: one matrix product, right to about 1e-15 |a|^2.
        _keep_two(points[rows] @ points.T, squares[rows], squares, start, nearest[rows])
    return nearest


@kernel()
def _keep_two(products: Array, own: Array, squares: Array, start: int, nearest: Array) -> None:
    for row in range(len(own)):
        first, second = np.inf, np.inf
        for other in range(len(squares)):
            square = squares[other] - 2.0 * products[row, other]
            if square < second and other != start + row:
                if square < first:
                    first, second = square, first
                else:
                    second = square
        nearest[row, 0] = max(own[row] + first, 0.0)
        nearest[row, 1] = max(own[row] + second, 0.0)
