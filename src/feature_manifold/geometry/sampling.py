"""Which points of a cloud are drawn when they are too many; measures use all of them."""

from dataclasses import dataclass

import numpy as np

from feature_manifold.core.arrays import Array, Int64Array
from feature_manifold.core.errors import InputError
from feature_manifold.core.rng import generator
from feature_manifold.geometry.cloud import Cloud

RESERVED = 2
"""One part in so many of the points shown is shared out evenly among the members."""


@dataclass(frozen=True)
class DisplaySample:
    """Points chosen for display, and what was left out.

    Attributes
    ----------
    rows
        int64 (m,), points shown, ascending, so in token order.
    n_points
        Points there are.
    shown, of
        int64 (k,), points shown at which each member fires, and points there are.
    """

    rows: Int64Array
    n_points: int
    shown: Int64Array
    of: Int64Array

    @property
    def n_shown(self) -> int:
        """Number of points shown."""
        return len(self.rows)


def display_sample(cloud: Cloud, n: int, seed: int) -> DisplaySample:
    """Choose at most ``n`` points to draw: at random, but some of every member that fires.

    Every token has a random number, a hash of token and seed. Half of the points are shared out
    evenly: for each member, those of its points whose numbers are smallest. The rest are the points
    with the smallest numbers of all. So neighbouring clusters show mostly the same tokens, and rare
    members more often than in proportion. If ``n`` is below the number of members that fire, the
    rarest ones have a point each.

    Parameters
    ----------
    cloud
        The cloud.
    n
        Points to show, at least 1.
    seed
        Any integer from 0.

    Raises
    ------
    InputError
        If ``n`` is below 1.
    """
    if n < 1:
        raise InputError(f"{n} points to show: ask for at least 1.")
    columns = cloud.activations.tocsc()
    of = np.diff(columns.indptr).astype(np.int64)
    is_shown = np.ones(cloud.n_points, dtype=bool)
    if n < cloud.n_points:
        numbers = _numbers(cloud.tokens, seed)
        is_shown = np.zeros(cloud.n_points, dtype=bool)
        firing = np.flatnonzero(of)
        each = max(1, n // (RESERVED * len(firing)))
        for member in firing[np.argsort(of[firing], kind="stable")][:n].tolist():
            rows = columns.indices[columns.indptr[member] : columns.indptr[member + 1]]
            is_shown[rows[_smallest(numbers[rows], each)]] = True
        rest = np.flatnonzero(~is_shown)
        is_shown[rest[_smallest(numbers[rest], n - int(is_shown.sum()))]] = True
    shown = np.bincount(cloud.activations[is_shown].indices, minlength=len(of))
    return DisplaySample(np.flatnonzero(is_shown), cloud.n_points, shown.astype(np.int64), of)


def _smallest(numbers: Array, n: int) -> Array:
    """Return the places of the ``n`` smallest numbers, or of all; in no order."""
    if n >= len(numbers):
        return np.arange(len(numbers))
    return np.argpartition(numbers, n)[:n]


def _numbers(tokens: Array, seed: int) -> Array:
    """Return a random number of each token, uint64 (n,), different for different tokens.

    SplitMix64's finaliser of the token plus a random start (Steele, Lea and Flood 2014, Fast
    splittable pseudorandom number generators).
    """
    start = generator(seed, "display sample").integers(0, 1 << 64, dtype=np.uint64)
    mixed = (tokens.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + start
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
