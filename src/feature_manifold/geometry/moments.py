"""Moments of a cluster's activations: all that mean and covariance of its cloud need.

With a_i(t) the activation of member i at token t, the cloud's mean is a linear map of sum_t a_i(t),
and its covariance of sum_t a_i(t) a_j(t). A sum depends on its own two latents only, so a latent
that comes adds a row and a column, one that goes takes them away, and nothing is ever subtracted:
no number of edits makes the moments drift from those of a rebuild.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from feature_manifold.core.arrays import Array, Float64Array
from feature_manifold.core.kernels import kernel


@dataclass(frozen=True)
class Moments:
    """Sums of activations over the points of a cloud.

    Attributes
    ----------
    n_points
        Number of points: tokens with at least one member firing.
    sums
        float64 (k,), of each member's activations.
    products
        float64 (k, k), symmetric, of the products of two members' activations.
    """

    n_points: int
    sums: Float64Array
    products: Float64Array

    def inserted(
        self, at: int, *, n_points: int, total: float, products: Float64Array
    ) -> "Moments":
        """Return the moments with a member more.

        Parameters
        ----------
        at
            Its place among the members.
        n_points
            Number of points with it.
        total
            Sum of its activations.
        products
            float64 (k + 1,), of its activations with those of every member, itself in its place.
        """
        grown = np.insert(np.insert(self.products, at, 0, axis=0), at, 0, axis=1)
        grown[at] = grown[:, at] = products
        return Moments(n_points, np.insert(self.sums, at, total), grown)

    def deleted(self, at: int, *, n_points: int) -> "Moments":
        """Return the moments without the member in place ``at``."""
        shrunk = np.delete(np.delete(self.products, at, axis=0), at, axis=1)
        return Moments(n_points, np.delete(self.sums, at), shrunk)


def moments_of(activations: sp.csr_matrix) -> Moments:
    """Sum activations and their products, token by token, with compensation.

    The error of a sum is about one rounding, however many points there are, so that points that
    are all alike have no variance (Knuth's TwoSum; Ogita, Rump and Oishi 2005, Accurate sum and
    dot product, algorithm 4.1).

    Parameters
    ----------
    activations
        float32 or float64 (n, k), CSR; columns rise within a row.
    """
    n_points, k = activations.shape
    # Row k is for the plain sums.
    sums = np.zeros((k + 1, k), dtype=np.float64)
    lost = np.zeros_like(sums)
    _sum_products(activations.indptr, activations.indices, activations.data, sums, lost)
    sums += lost
    lower = np.tril(sums[:k])
    products = lower + np.tril(lower, -1).T
    return Moments(n_points, sums[k], products)


@kernel()
def _add(sums: Array, lost: Array, column: int, term: float) -> None:
    """Add a term to a sum, and what the rounding lost to another."""
    # Unsigned: else every access looks whether the index is negative, half of the time.
    place = np.uint64(column)
    before = sums[place]
    after = before + term
    added = after - before
    lost[place] += (before - (after - added)) + (term - added)
    sums[place] = after


@kernel()
def _sum_products(indptr: Array, columns: Array, values: Array, sums: Array, lost: Array) -> None:
    k = sums.shape[1]
    for point in range(len(indptr) - 1):
        for here in range(indptr[point], indptr[point + 1]):
            column, value = columns[here], np.float64(values[here])
            _add(sums[k], lost[k], column, value)
            own_sums, own_lost = sums[column], lost[column]
            for other in range(indptr[point], here + 1):
                _add(own_sums, own_lost, columns[other], value * np.float64(values[other]))
