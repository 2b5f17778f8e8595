"""Communities of the sparse graphs of latents."""

from collections.abc import Iterator

import graspologic_native
import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from feature_manifold.core.arrays import Array, Int64Array
from feature_manifold.core.errors import ConfigError
from feature_manifold.geometry.clusters.affinities import LatentGraph, strongest

MIN_LATENTS = 3
"""Fewer make no shape."""

MIN_FIRINGS = 8
"""A latent that fires less often says nothing about the company it keeps."""

MAX_DENSITY = 0.15
"""A latent that fires on this share of all tokens belongs to every group and joins none."""

KNN_NEIGHBOURS, KNN_COSINE, KNN_MOST = 2, 0.5, 1000
SPECTRAL_CLUSTERS, SPECTRAL_MOST = 1000, 32_768

Groups = Iterator[Int64Array]


def usable_latents(count: Int64Array, n_tokens: int) -> Array:
    """Return which latents may join a community, bool (n_latents,)."""
    return (count >= MIN_FIRINGS) & (count < MAX_DENSITY * n_tokens)


def leiden(edges: sp.coo_matrix, *, resolution: float, seed: int) -> Groups:
    """Yield the communities of a graph of latents.

    Parameters
    ----------
    edges
        Upper triangle, (n_latents, n_latents), as from ``affinities.strongest``.
    resolution
        Of the modularity: more gives smaller communities.
    seed
        Of the search.

    References
    ----------
    Traag, Waltman and van Eck (2019), From Louvain to Leiden.
    """
    if not edges.nnz:
        return
    names = np.arange(edges.shape[0]).astype(str)
    listed = zip(
        names[edges.row].tolist(), names[edges.col].tolist(), edges.data.tolist(), strict=True
    )
    _, found = graspologic_native.leiden(list(listed), resolution=resolution, seed=seed)
    latents = np.array([int(name) for name in found], dtype=np.int64)
    yield from _groups(latents, np.array(list(found.values())))


def knn_components(graph: LatentGraph) -> Groups:
    """Yield the components of the graph of two nearest neighbours by cosine, 0.5 at least.

    Components of 1,000 latents and more are left out, as published.

    References
    ----------
    Engels et al. (2024), Not all language model features are one-dimensionally linear; the
    clustering of the Mistral SAE.
    """
    close = graph.cosine.copy()
    close.data[close.data < KNN_COSINE] = 0
    close.eliminate_zeros()
    everyone = np.ones(close.shape[0], dtype=bool)
    edges = strongest(close, everyone, top_k=KNN_NEIGHBOURS)
    _, label = connected_components(edges, directed=False)
    for group in _groups(np.arange(len(label)), label):
        if len(group) < KNN_MOST:
            yield group


def spectral(graph: LatentGraph, usable: Array, *, seed: int) -> Groups:
    """Yield spectral clusters of the affinity 1 - arccos(cosine) / pi.

    The published clustering of GPT-2's SAE, with its 1,000 clusters (at most a quarter of the
    latents), but on each latent's nearest instead of on all pairs; absent pairs count as 0.

    Raises
    ------
    ConfigError
        If there are more than 32,768 latents: the 1,000 eigenvectors would take hours.

    References
    ----------
    Engels et al. (2024), the clustering of the GPT-2 SAE.
    """
    if len(usable) > SPECTRAL_MOST:
        raise ConfigError(
            f"cluster-methods: spectral takes at most {SPECTRAL_MOST:,} latents, and there are "
            f"{len(usable):,}. Leave it out; leiden-jaccard finds more in any case."
        )
    # Imported here: it takes a second.
    from sklearn.cluster import SpectralClustering

    latents = np.flatnonzero(usable & (np.diff(graph.cosine.indptr) > 0))
    n_clusters = min(SPECTRAL_CLUSTERS, len(latents) // 4)
    if n_clusters < 2:
        return
    affinity = graph.cosine[latents][:, latents].astype(np.float64)
    affinity.data = 1 - np.arccos(np.clip(affinity.data, -1, 1)) / np.pi
    # The published code zeroes the diagonal of the cosines first: arccos(0) / pi is a half.
    affinity = (affinity + sp.diags(np.full(len(latents), 0.5))).tocsr()
    model = SpectralClustering(n_clusters=n_clusters, affinity="precomputed", random_state=seed)
    yield from _groups(latents, model.fit_predict(affinity))


def _groups(latents: Int64Array, label: Array) -> Groups:
    order = np.lexsort((latents, label))
    latents, label = latents[order], label[order]
    cuts = np.flatnonzero(np.diff(label)) + 1
    for group in np.split(latents, cuts):
        if len(group) >= MIN_LATENTS:
            yield group
