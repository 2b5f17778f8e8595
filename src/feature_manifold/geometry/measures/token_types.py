"""Measures of a cluster's token types: how their mean points lie, and how many there are."""

import numpy as np

from feature_manifold.core.arrays import Array, Float64Array
from feature_manifold.geometry.measures.loops import Loops, landmarks, loops
from feature_manifold.geometry.measures.planes import MOST_COMPONENTS, principal_of

#: A plane with less of the types' variance says nothing about their shape.
LEAST_PLANE_SHARE = 0.1
#: Loops of type means are looked for in so many components.
LOOP_COMPONENTS = 4
MOST_TYPES = 64


def angular_regularity(plane: Float64Array) -> float:
    """Return how evenly points lie round their centre: 1 minus the variation of the gaps.

    With angles about the mean in order and gaps g between neighbours, 1 - sd(g) / mean(g). 1: as
    the corners of a regular polygon; about 0, or 0.3 for seven points: as in random directions;
    below: bunched, as on an arc or a line.

    Parameters
    ----------
    plane
        float64 (n, 2).

    Returns
    -------
    float
        At most 1; NaN for fewer than three points.
    """
    if len(plane) < 3:
        return float("nan")
    x, y = (plane - plane.mean(axis=0)).T
    angles = np.sort(np.arctan2(y, x))
    gaps = np.diff(np.r_[angles, angles[0] + 2 * np.pi])
    return float(1 - gaps.std() / gaps.mean())


def most_regular(means: Float64Array) -> float:
    """Return the angular regularity of mean points (n_types, r) in their best plane.

    Planes are of consecutive principal components, of the first five, with at least a tenth of the
    variance of the means.
    """
    if len(means) < 3:
        return float("nan")
    found = principal_of(means)
    components = (means - found.mean) @ found.axes[:MOST_COMPONENTS].T
    share = found.variances / max(float(found.variances.sum()), 1e-300)
    values = [
        angular_regularity(components[:, first : first + 2])
        for first in range(components.shape[1] - 1)
        if share[first : first + 2].sum() >= LEAST_PLANE_SHARE
    ]
    return max(values, default=float("nan"))


def loops_of_means(means: Float64Array) -> Loops:
    """Return the loops of mean points (n_types, r) over their RMS radius.

    In their first four principal components, so that the scatter of the means in the others does
    not shorten them; of more than 64 types, farthest-point landmarks.
    """
    if not len(means):
        return Loops(float("nan"), float("nan"), float("nan"), float("nan"))
    found = principal_of(means)
    radius = float(np.sqrt(found.variances[:LOOP_COMPONENTS].sum()))
    components = (means - found.mean) @ found.axes[:LOOP_COMPONENTS].T / max(radius, 1e-300)
    return loops(components[landmarks(components, MOST_TYPES)])


def token_entropy(counts: Array) -> float:
    """Return the entropy, in bits, of how points are spread over token types.

    Parameters
    ----------
    counts
        int (n_types,), points of each.

    Returns
    -------
    float
        0 for one type, log2 m for m types alike; NaN without points.
    """
    total = counts.sum()
    if total <= 0:
        return float("nan")
    shares = counts[counts > 0] / total
    return float(-(shares * np.log2(shares)).sum() + 0.0)
