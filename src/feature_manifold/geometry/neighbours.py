"""Nearest latents of every latent, and the symmetric edges made of them."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from feature_manifold.core.arrays import Array
from feature_manifold.core.kernels import kernel

NOBODY = -1


@dataclass(frozen=True)
class Neighbours:
    """The nearest latents of every latent, best first, the smaller id first of equals.

    Attributes
    ----------
    ids
        int32 (n_latents, k), -1 where a latent has fewer neighbours.
    values
        float32 (n_latents, k), 0 where a latent has fewer neighbours. Counts that float32 cannot
        hold are float64.
    """

    ids: Array
    values: Array

    @property
    def n_latents(self) -> int:
        """Number of latents."""
        return len(self.ids)

    def first(self, k: int) -> "Neighbours":
        """Return the best ``k`` of each latent."""
        return Neighbours(self.ids[:, :k], self.values[:, :k])


def no_neighbours(n_latents: int, k: int) -> Neighbours:
    """Return room for ``k`` neighbours of each latent, empty."""
    return Neighbours(
        np.full((n_latents, k), NOBODY, dtype=np.int32), np.zeros((n_latents, k), dtype=np.float32)
    )


def symmetric_edges(neighbours: Neighbours) -> sp.csr_matrix:
    """Join two latents if either is a neighbour of the other, by the larger of the two values.

    Parameters
    ----------
    neighbours
        Of which those of positive value become edges.

    Returns
    -------
    scipy.sparse.csr_matrix
        float32 (n_latents, n_latents), symmetric, no diagonal, positive weights, canonical.
    """
    n = neighbours.n_latents
    real = (neighbours.ids != NOBODY) & (neighbours.values > 0)
    rows = np.nonzero(real)[0]
    directed = sp.csr_matrix((neighbours.values[real], (rows, neighbours.ids[real])), shape=(n, n))
    edges = sp.csr_matrix(directed.maximum(directed.T))
    edges.sort_indices()
    return edges


@kernel()
def offer(values: Array, ids: Array, size: int, value: float, latent: int) -> int:
    """Offer a latent to a heap of the best; return how many the heap now holds.

    The worst stands at the root, so that most offers end after one comparison. Of equal values
    the smaller id is better: results do not depend on the order of offers.
    """
    if size < len(values):
        at = size
        size += 1
        while at > 0:
            above = (at - 1) // 2
            if values[above] < value or (values[above] == value and ids[above] > latent):
                break
            values[at] = values[above]
            ids[at] = ids[above]
            at = above
        values[at] = value
        ids[at] = latent
    elif size > 0 and (value > values[0] or (value == values[0] and latent < ids[0])):
        sink(values, ids, size, value, latent)
    return size


@kernel()
def sink(values: Array, ids: Array, size: int, value: float, latent: int) -> None:
    """Replace the root of a heap of ``size`` entries and restore the order."""
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and (
            values[child + 1] < values[child]
            or (values[child + 1] == values[child] and ids[child + 1] > ids[child])
        ):
            child += 1
        if value < values[child] or (value == values[child] and latent > ids[child]):
            break
        values[at] = values[child]
        ids[at] = ids[child]
        at = child
    values[at] = value
    ids[at] = latent


@kernel()
def settle(values: Array, ids: Array, size: int) -> None:
    """Turn a heap into a list, best first."""
    while size > 1:
        size -= 1
        value, latent = values[size], ids[size]
        values[size], ids[size] = values[0], ids[0]
        sink(values, ids, size, value, latent)
