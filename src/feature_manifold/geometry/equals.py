"""Latents that nothing tells apart: one point for a layout."""

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from feature_manifold.core.arrays import Array, Int64Array
from feature_manifold.geometry.neighbours import NOBODY, Neighbours

EQUAL = 1 - 1e-6
"""Similarity from which two latents are the same: float32 cosines are good to 1e-7."""


def equal_groups(ids: Array, equal: Array) -> Int64Array:
    """Group latents joined by a chain of equality.

    Parameters
    ----------
    ids
        int32 (n_latents, k), neighbours.
    equal
        bool (n_latents, k), whether each neighbour is the same as the latent.

    Returns
    -------
    numpy.ndarray
        int64 (n_latents,), the smallest latent of each one's group: itself if it is unique.
    """
    n = len(ids)
    rows, columns = np.nonzero(equal)[0], ids[equal]
    links = sp.csr_matrix((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(n, n))
    _, label = connected_components(links, directed=False)
    _, first = np.unique(label, return_index=True)
    return np.asarray(first[label], dtype=np.int64)


def without_equals(neighbours: Neighbours, group: Int64Array) -> Neighbours:
    """Let the first of each group stand for all of it.

    Parameters
    ----------
    neighbours
        Of all latents.
    group
        From ``equal_groups``.

    Returns
    -------
    Neighbours
        First latents with the first latents near them, each once; the others with nobody.
    """
    ids = np.where(neighbours.ids != NOBODY, group[neighbours.ids], NOBODY).astype(np.int32)
    ids[ids == group[:, None]] = NOBODY
    ids[group != np.arange(len(group))] = NOBODY
    order = np.argsort(ids, axis=1, kind="stable")
    rising = np.take_along_axis(ids, order, axis=1)
    repeated = np.zeros(ids.shape, dtype=bool)
    np.put_along_axis(repeated, order[:, 1:], rising[:, 1:] == rising[:, :-1], axis=1)
    ids[repeated] = NOBODY
    best_first = np.argsort(ids == NOBODY, axis=1, kind="stable")
    values = np.where(ids == NOBODY, np.float32(0), neighbours.values)
    return Neighbours(
        np.take_along_axis(ids, best_first, axis=1), np.take_along_axis(values, best_first, axis=1)
    )
