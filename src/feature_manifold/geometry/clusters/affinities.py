"""Affinities of latents on the sparse graphs of their neighbours. Never a dense n x n matrix."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from feature_manifold.core.arrays import Array, Int64Array

TOP_NEIGHBOURS = 10
"""Neighbours kept per latent: more joins groups, fewer splits them (measured on the demo model)."""

MIN_OVERLAP = 0.02
"""Weaker co-firing than this is chance."""

MIN_COSINE = 0.1
"""In 128 dimensions and more, unrelated directions seldom have a greater cosine."""


@dataclass(frozen=True)
class LatentGraph:
    """Known neighbours of all latents.

    Attributes
    ----------
    cosine, jaccard
        (n_latents, n_latents), CSR, symmetric, of each latent's nearest; absent pairs count as 0.
    count
        int64 (n_latents,), firings.
    n_tokens
        Rows of the token table.
    """

    cosine: sp.csr_matrix
    jaccard: sp.csr_matrix
    count: Int64Array
    n_tokens: int


def jaccard(graph: LatentGraph) -> sp.csr_matrix:
    """Return |A ∩ B| / |A ∪ B| of the tokens on which two latents fire."""
    return _above(graph.jaccard, MIN_OVERLAP)


def phi(graph: LatentGraph) -> sp.csr_matrix:
    """Return the correlation of firing, (n11 n00 - n10 n01) / sqrt(n1. n0. n.1 n.0).

    References
    ----------
    Li et al. (2024), The geometry of concepts, section on co-occurrence.
    """
    both = _together(graph)
    n, one, other = float(graph.n_tokens), *_ends(both, graph.count)
    # n11 n00 - n10 n01 = n11 n - n1. n.1.
    spread = np.sqrt(one * (n - one)) * np.sqrt(other * (n - other))
    value = (both.data * n - one * other) / np.maximum(spread, 1.0)
    return _above(_with(both, value), MIN_OVERLAP)


def combined(graph: LatentGraph) -> sp.csr_matrix:
    """Return half the cosine and half the overlap |A ∩ B| / min(|A|, |B|).

    On pairs whose overlap is known; a cosine that is not among a latent's nearest counts as 0.
    """
    both = _together(graph)
    one, other = _ends(both, graph.count)
    overlap = _with(both, both.data / np.maximum(np.minimum(one, other), 1.0))
    known = graph.cosine.multiply(overlap > 0)
    return _above(0.5 * overlap + 0.5 * sp.csr_matrix(known), MIN_OVERLAP)


def cosine(graph: LatentGraph) -> sp.csr_matrix:
    """Return the cosine of decoder rows."""
    return _above(graph.cosine, MIN_COSINE)


AFFINITIES = {"jaccard": jaccard, "phi": phi, "combined": combined, "cosine": cosine}
"""By name. All return symmetric CSR matrices of positive weights with an empty diagonal."""


def strongest(weights: sp.csr_matrix, usable: Array, *, top_k: int) -> sp.coo_matrix:
    """Keep each latent's strongest neighbours.

    Parameters
    ----------
    weights
        Symmetric, (n, n).
    usable
        bool (n,); other latents lose all their edges.
    top_k
        Neighbours that each latent lists; an edge stays if either lists the other. Of equal
        weights the smaller id comes first.

    Returns
    -------
    scipy.sparse.coo_matrix
        Upper triangle, in row order.
    """
    coo = weights.tocoo()
    here = usable[coo.row] & usable[coo.col]
    row, column, weight = coo.row[here], coo.col[here], coo.data[here]
    order = np.lexsort((column, -weight, row))
    row, column, weight = row[order], column[order], weight[order]
    near = np.arange(len(row)) - np.searchsorted(row, row) < top_k
    listed = sp.csr_matrix((weight[near], (row[near], column[near])), shape=weights.shape)
    return sp.triu(listed.maximum(listed.T), k=1, format="csr").tocoo()


def _together(graph: LatentGraph) -> sp.csr_matrix:
    """Return |A ∩ B|, from J = both / (one + other - both)."""
    one, other = _ends(graph.jaccard, graph.count)
    weights = graph.jaccard.data.astype(np.float64)
    return _with(graph.jaccard, np.round(weights * (one + other) / (1 + weights)))


def _ends(weights: sp.csr_matrix, count: Int64Array) -> tuple[Array, Array]:
    """Return the firings of the two latents of each entry, float64."""
    row = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))
    return count[row].astype(np.float64), count[weights.indices].astype(np.float64)


def _with(weights: sp.csr_matrix, data: Array) -> sp.csr_matrix:
    return sp.csr_matrix((data, weights.indices, weights.indptr), shape=weights.shape)


def _above(weights: sp.csr_matrix, least: float) -> sp.csr_matrix:
    kept = weights.copy().astype(np.float64)
    kept.data[kept.data <= least] = 0
    kept.eliminate_zeros()
    return kept
