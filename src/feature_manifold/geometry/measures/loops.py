"""Persistent H1: the loops of a point set, and how long they last as balls grow round points."""

from dataclasses import dataclass

import numpy as np
from ripser import ripser

from feature_manifold.core.arrays import Array, Float64Array, Int64Array
from feature_manifold.core.kernels import kernel


@dataclass(frozen=True)
class Loops:
    """The two most persistent loops of a Vietoris-Rips filtration.

    Attributes
    ----------
    longest, second
        Death minus birth, in the unit of the distances; 0 where there is no loop.
    birth, death
        Of the longest: distances at which it closes and fills; NaN if there is none.
    """

    longest: float
    second: float
    birth: float
    death: float

    @property
    def ratio(self) -> float:
        """Second over longest, in [0, 1]: 0 for one clear loop, near 1 for a torus; NaN if none."""
        return self.second / self.longest if self.longest > 0 else float("nan")

    @property
    def death_over_birth(self) -> float:
        """How many times its size at birth the longest loop spans, above 1; 1 if there is none."""
        return self.death / self.birth if self.longest > 0 else 1.0


def loops(points: Float64Array) -> Loops:
    """Return the most persistent loops of a few points.

    Time grows with the third power and more: 20 ms for 128 points, 2 s for 500, 15 s for 1,000.

    Parameters
    ----------
    points
        float64 (n, d); all of them are vertices.

    References
    ----------
    Tralie, Saul, Bar-On (2018), Ripser.py; Bauer (2021), Ripser.
    """
    if len(points) < 4:
        return Loops(0.0, 0.0, float("nan"), float("nan"))
    squares = (points**2).sum(axis=1)
    apart = squares[:, None] + squares[None, :] - 2 * points @ points.T
    distances = np.sqrt(np.maximum(apart, 0))
    np.fill_diagonal(distances, 0)
    bars = ripser((distances + distances.T) / 2, distance_matrix=True, maxdim=1)["dgms"][1]
    if not len(bars):
        return Loops(0.0, 0.0, float("nan"), float("nan"))
    lengths = bars[:, 1] - bars[:, 0]
    order = np.argsort(-lengths, kind="stable")
    longest, second = lengths[order[0]], lengths[order[1]] if len(order) > 1 else 0.0
    birth, death = bars[order[0]]
    return Loops(float(longest), float(second), float(birth), float(death))


def unit_normalised(points: Float64Array) -> Float64Array:
    """Return the points (m, r) at length one; those at the origin are left out."""
    lengths = np.linalg.norm(points, axis=1)
    directions: Float64Array = points[lengths > 0] / lengths[lengths > 0, None]
    return directions


def landmarks(points: Float64Array, count: int) -> Int64Array:
    """Return up to ``count`` rows that are far from one another.

    The first is the farthest from the mean, each next the farthest from those taken. Points that
    coincide with one taken are never taken.

    Parameters
    ----------
    points
        float64 (n, d).
    count
        Landmarks wanted.

    Returns
    -------
    numpy.ndarray
        int64 (m,), in the order in which they are taken.

    References
    ----------
    Gonzalez (1985), Clustering to minimize the maximum intercluster distance; de Silva and Carlsson
    (2004), Topological estimation using witness complexes.
    """
    if not len(points):
        return np.empty(0, dtype=np.int64)
    first = int(((points - points.mean(axis=0)) ** 2).sum(axis=1).argmax())
    taken = np.empty(min(count, len(points)), dtype=np.int64)
    return taken[: _spread(np.ascontiguousarray(points), first, taken)]


def regular_loop(n: int) -> float:
    """Return the longest bar of a regular polygon with ``n`` corners over its radius.

    From its side to the shortest chord that spans a third of it, 2 sin(pi ceil(n/3) / n) (Adamaszek
    and Adams 2017): a circle of few points cannot have as long a bar as one of many. Of 4 corners,
    if fewer.
    """
    n = max(n, 4)
    return float(2 * (np.sin(np.pi * -(-n // 3) / n) - np.sin(np.pi / n)))


@kernel(reassociate=True)
def _spread(points: Array, first: int, taken: Array) -> int:
    """Fill ``taken``; return how many different points there were to take."""
    n, d = points.shape
    nearest = np.full(n, np.inf)
    row = first
    for place in range(len(taken)):
        taken[place] = row
        farthest, best = -1.0, 0
        for point in range(n):
            square = 0.0
            for axis in range(d):
                step = points[point, axis] - points[row, axis]
                square += step * step
            if square < nearest[point]:
                nearest[point] = square
            if nearest[point] > farthest:
                farthest, best = nearest[point], point
        if farthest <= 0.0:
            return place + 1
        row = best
    return len(taken)
