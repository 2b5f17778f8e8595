"""Latents similar to one latent, by each kind of edge and by all of them together."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import InputError

MERGED = "merged"
MAX_LIMIT = 1000

RANK_OFFSET = 60
"""Constant k of reciprocal rank fusion, as published."""


@dataclass(frozen=True)
class SimilarLatent:
    """A latent that is joined to the one asked for.

    Attributes
    ----------
    latent
        The latent.
    weights
        Weight of the edge by kind. A kind is missing where neither of the two latents counts the
        other among its nearest by that kind: the weight is unknown then, not 0.
    cosine
        Cosine of the decoder rows, computed exactly whether there is such an edge or not; None if
        the decoder is not known or a row is 0.
    score
        What it is ranked by: the weight, or of several kinds the sum of 1 / (60 + rank).
    """

    latent: int
    weights: Mapping[str, float]
    cosine: float | None
    score: float


def similar_latents(
    edges: Mapping[str, sp.csr_matrix],
    latent: int,
    *,
    decoder: Array | None = None,
    limit: int = 50,
) -> tuple[SimilarLatent, ...]:
    """Rank the latents that edges join to one.

    Parameters
    ----------
    edges
        Weights by kind, (n_latents, n_latents). With one kind the order is that of its weights,
        with several that of their ranks (reciprocal rank fusion).
    latent
        The latent.
    decoder
        float32 (n_latents, d_model), may be memory-mapped; None leaves ``cosine`` out.
    limit
        Latents returned at most.

    Returns
    -------
    tuple of SimilarLatent
        Best first; of equals the smaller latent.

    Raises
    ------
    InputError
        If there is no such latent, or the limit is not 1 to MAX_LIMIT.

    References
    ----------
    Cormack, Clarke and Büttcher (2009), Reciprocal rank fusion outperforms Condorcet and individual
    rank learning methods.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise InputError(f"limit is {limit:,}: 1 to {MAX_LIMIT:,} latents can be asked for.")
    weights: dict[int, dict[str, float]] = {}
    scores: dict[int, float] = {}
    for kind, matrix in edges.items():
        if not 0 <= latent < matrix.shape[0]:
            raise InputError(f"No latent {latent}: there are 0 to {matrix.shape[0] - 1:,}.")
        ids, found = _neighbours(matrix, latent)
        for rank, (other, weight) in enumerate(zip(ids.tolist(), found.tolist(), strict=True), 1):
            weights.setdefault(other, {})[kind] = weight
            own = weight if len(edges) == 1 else 1 / (RANK_OFFSET + rank)
            scores[other] = scores.get(other, 0.0) + own
    best = sorted(scores, key=lambda other: (-scores[other], other))[:limit]
    cosines = _cosines(decoder, latent, best)
    return tuple(
        SimilarLatent(other, weights[other], cosine, scores[other])
        for other, cosine in zip(best, cosines, strict=True)
    )


def _neighbours(edges: sp.csr_matrix, latent: int) -> tuple[Array, Array]:
    span = slice(edges.indptr[latent], edges.indptr[latent + 1])
    order = np.lexsort((edges.indices[span], -edges.data[span]))
    return edges.indices[span][order], edges.data[span][order]


def _cosines(decoder: Array | None, latent: int, others: list[int]) -> list[float | None]:
    if decoder is None or not others:
        return [None] * len(others)
    rows = np.asarray(decoder[[latent, *others]], dtype=np.float64)
    norms = np.linalg.norm(rows, axis=1)
    products = rows[1:] @ rows[0]
    lengths = norms[1:] * norms[0]
    return [
        float(product / length) if length > 0 else None
        for product, length in zip(products, lengths, strict=True)
    ]
