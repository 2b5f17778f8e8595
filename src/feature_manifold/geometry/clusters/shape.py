"""The shape that the mean points of token types trace: loops, curves and sheets."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from feature_manifold.core.arrays import Float64Array
from feature_manifold.geometry.measures.loops import landmarks, loops, regular_loop

N_PLANES_OF = 4
"""A ring is looked for in the planes of so many leading PCs."""

MOST_LANDMARKS = 64
"""Points among which loops are sought, far from each other; 64 take 3 ms, 128 take 20 ms."""


@dataclass(frozen=True)
class View:
    """The plane in which a cloud is displayed, chosen without labels.

    Attributes
    ----------
    axes
        Its two principal axes, float64 (2, r).
    centre
        Mean of the points, float64 (r,).
    ring
        Longest H1 bar in the plane over that of a regular polygon (at most 1), times ``share``.
    share
        The plane's share of the variance of the points.
    loop, second_loop
        Longest and second longest H1 bar of the points in three PCs, over their RMS radius.
    closed
        ``loop`` over that of a regular polygon with as many corners as there are points.
    """

    axes: Float64Array
    centre: Float64Array
    ring: float
    share: float
    loop: float
    second_loop: float
    closed: float


@dataclass(frozen=True)
class Spread:
    """How points fill the space.

    Attributes
    ----------
    dimension
        Participation ratio of the principal variances, (sum v)^2 / sum v^2: the linear dimension.
    three, four
        Share of the variance in the first three and four PCs.
    smooth
        In how fine steps the points follow each other: 1 less the mean square distance of a point
        to its second nearest over that of all pairs, at least 0. Near 1 on curves and sheets, 0
        where all points are equally far from each other.
    """

    dimension: float
    three: float
    four: float
    smooth: float


def view_of(points: Float64Array) -> View:
    """Choose, of the first four PCs, the pair in which points look most like a ring.

    Round means an H1 bar in the plane as long as a regular polygon's; beyond that the plane's share
    of the variance decides.

    Parameters
    ----------
    points
        float64 (n, r), n at least 2.
    """
    centre = points.mean(axis=0)
    _, scale, axes = np.linalg.svd(points - centre, full_matrices=False)
    share = scale**2 / max(float((scale**2).sum()), 1e-30)
    seen = (points - centre) @ axes.T
    if len(seen) > MOST_LANDMARKS:
        seen = seen[np.sort(landmarks(seen, MOST_LANDMARKS))]
    full = regular_loop(len(seen))
    pairs = list(combinations(range(min(N_PLANES_OF, len(scale))), 2))
    shares = [float(share[list(pair)].sum()) for pair in pairs]
    # Without any loop the first two PCs are shown: they are the first pair.
    ring, best = 0.0, 0
    for place in np.argsort(-np.array(shares), kind="stable").tolist():
        if shares[place] <= ring:
            break  # Even a perfect ring in what is left would count less.
        found = min(1.0, relative_loops(seen[:, pairs[place]])[0] / full) * shares[place]
        if found > ring:
            ring, best = found, place
    loop, second_loop = relative_loops(seen[:, :3])
    return View(
        axes=axes[list(pairs[best])],
        centre=centre,
        ring=ring,
        share=shares[best],
        loop=loop,
        second_loop=second_loop,
        closed=loop / full,
    )


def relative_loops(points: Float64Array) -> tuple[float, float]:
    """Return the longest and second longest H1 bar of points (n, d) over their RMS radius."""
    radius = float(np.sqrt(((points - points.mean(axis=0)) ** 2).sum(axis=1).mean()))
    found = loops(points)
    return found.longest / max(radius, 1e-30), found.second / max(radius, 1e-30)


def spread_of(points: Float64Array) -> Spread:
    """Measure how points (n, r) fill the space; n at least 3."""
    centred = points - points.mean(axis=0)
    variances = np.linalg.svd(centred, compute_uv=False) ** 2
    total = max(float(variances.sum()), 1e-30)
    share = np.cumsum(variances) / total
    return Spread(
        dimension=float(total**2 / max(float((variances**2).sum()), 1e-60)),
        three=float(share[:3][-1]),
        four=float(share[:4][-1]),
        smooth=float(smoothness((centred @ centred.T)[None])[0]),
    )


def smoothness(products: Float64Array) -> Float64Array:
    """Return ``Spread.smooth`` of several point sets.

    Parameters
    ----------
    products
        float64 (b, n, n), inner products of the points of each set, about any origin.

    Returns
    -------
    numpy.ndarray
        float64 (b,).
    """
    n = products.shape[1]
    own = np.einsum("bii->bi", products)
    squares = own[:, :, None] + own[:, None, :] - 2 * products
    every = squares.sum(axis=(1, 2)) / (n * (n - 1))
    np.einsum("bii->bi", squares)[...] = np.inf
    second = np.partition(squares, 1, axis=2)[:, :, 1].mean(axis=1)
    smooth: Float64Array = np.clip(1 - second / np.maximum(every, 1e-30), 0.0, 1.0)
    return smooth
