"""Find groups of latents without labels, and rank them by how much they look like a manifold.

Communities of the co-firing graph (Jaccard overlap of the tokens on which latents fire) find the
groups; decoder cosine alone does not. A cluster is judged on its *core tokens*: the token types on
which it usually fires strongly. Nothing here knows which words belong together.
"""

from dataclasses import dataclass
from itertools import combinations

import graspologic_native
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from ripser import ripser

from feature_manifold.geometry.clusters.core import core_tokens, count_types, type_means
from feature_manifold.geometry.measures.loops import regular_loop

TOP_NEIGHBOURS = 10
MIN_JACCARD = 0.02
#: From few large communities to many small ones; no single one suits every group.
RESOLUTIONS = (2.0, 4.0, 8.0)
MIN_LATENTS = 3
#: Fewer core tokens make no shape.
MIN_CORE = 6
#: A latent that fires less often says nothing about the company it keeps.
MIN_FIRINGS = 8
#: Share of a latent's activation on a cluster's core tokens that makes it a member.
CORE_SHARE = 0.5
#: A latent that fires on this share of all tokens belongs to every group and joins none.
MAX_DENSITY = 0.15


@dataclass(frozen=True)
class Cloud:
    """Reconstructions of a cluster, averaged over token types.

    Attributes
    ----------
    latents
        Members, ascending.
    core
        Token ids of the core tokens, ascending.
    centroids
        Mean reconstruction of each core token, float64 (n_core, d_model).
    core_mass
        Share of the cluster's activation that falls on core tokens.
    token_share
        Share of the variance over occurrences of core tokens that lies between token types.
    """

    latents: NDArray[np.int64]
    core: NDArray[np.int64]
    centroids: NDArray[np.float64]
    core_mass: float
    token_share: float


@dataclass(frozen=True)
class View:
    """The plane in which a cloud is displayed, chosen without labels.

    Attributes
    ----------
    axes
        Its two principal axes, (2, d_model).
    centre
        Mean of the centroids, (d_model,).
    ring
        Longest H1 bar in the plane over that of a regular polygon (at most 1), times ``share``.
    share
        The plane's share of the variance of the centroids.
    loop, second_loop
        Longest and second longest H1 bar of the centroids in three PCs, over their RMS radius.
    closed
        ``loop`` over that of a regular polygon with as many corners as there are centroids.
    """

    axes: NDArray[np.float64]
    centre: NDArray[np.float64]
    ring: float
    share: float
    loop: float
    second_loop: float
    closed: float


def communities(firings: sp.csr_matrix, *, seed: int) -> list[NDArray[np.int64]]:
    """Cluster latents by co-firing, at several resolutions.

    Parameters
    ----------
    firings
        Activations, (n_tokens, n_latents).
    seed
        Seed of the Leiden search.

    Returns
    -------
    list of int64 arrays
        Different clusters of at least three latents. Those of different resolutions overlap.
    """
    fires = firings.astype(bool).astype(np.float32)
    count = np.asarray(fires.sum(0)).ravel()
    usable = np.flatnonzero((count >= MIN_FIRINGS) & (count < MAX_DENSITY * fires.shape[0]))
    fires = fires[:, usable]
    together = (fires.T @ fires).tocoo()
    both = together.data / (
        count[usable][together.row] + count[usable][together.col] - together.data
    )
    keep = (together.row != together.col) & (both > MIN_JACCARD)
    row, column, weight = together.row[keep], together.col[keep], both[keep]
    order = np.lexsort((column, -weight, row))
    row, column, weight = row[order], column[order], weight[order]
    place = np.arange(len(row)) - np.searchsorted(row, row)
    top = place < TOP_NEIGHBOURS
    graph = sp.csr_matrix((weight[top], (row[top], column[top])), shape=2 * (len(usable),))
    edges = sp.triu(graph.maximum(graph.T)).tocoo()
    names = usable.astype(str)
    weighted = list(
        zip(
            names[edges.row].tolist(),
            names[edges.col].tolist(),
            edges.data.astype(float).tolist(),
            strict=True,
        )
    )
    groups: dict[tuple[int, ...], None] = {}
    for resolution in RESOLUTIONS:
        _, found = graspologic_native.leiden(weighted, resolution=resolution, seed=seed, trials=5)
        latents = np.array([int(name) for name in found], dtype=np.int64)
        label = np.array(list(found.values()))
        for value in np.unique(label):
            groups[tuple(np.sort(latents[label == value]).tolist())] = None
    return [np.array(group) for group in groups if len(group) >= MIN_LATENTS]


def cloud_of(
    latents: NDArray[np.int64],
    firings: sp.csr_matrix,
    decoder: NDArray[np.float32],
    token_ids: NDArray[np.int64],
) -> Cloud:
    """Average a cluster's reconstructions over the token types on which it usually fires."""
    active = firings[:, latents]
    mass = np.asarray(active.sum(1)).ravel().astype(np.float64)
    core = core_tokens(mass, token_ids, occurrences=count_types(token_ids))
    centroids = type_means(active, token_ids, core) @ decoder[latents].astype(np.float64)
    inside = np.isin(token_ids, core)
    points = active[inside]
    # Total variance from moments of the k activations: |a D|^2 = a (D D^T) a^T.
    gram = decoder[latents] @ decoder[latents].T
    squares = float((points.T @ points).multiply(gram).sum())
    weights = np.bincount(np.searchsorted(core, token_ids[inside])) / max(1, inside.sum())
    mean = weights @ centroids
    between = float(weights @ ((centroids - mean) ** 2).sum(1)) if len(core) else 0.0
    total = squares / max(1, inside.sum()) - float(mean @ mean)
    return Cloud(
        latents=latents,
        core=core,
        centroids=centroids,
        core_mass=float(mass[inside].sum() / mass.sum()),
        token_share=between / total if total > 0 else 0.0,
    )


def activation_by_type(firings: sp.csr_matrix, token_ids: NDArray[np.int64]) -> sp.csr_matrix:
    """Summed activation by token type, (n_types, n_latents)."""
    n = len(token_ids)
    pick = sp.csr_matrix((np.ones(n, np.float32), (token_ids, np.arange(n))))
    return (pick @ firings).tocsr()


def latents_on(
    types: NDArray[np.int64], by_type: sp.csr_matrix, firings: sp.csr_matrix, *, share: float
) -> NDArray[np.int64]:
    """Latents with more than ``share`` of their activation on ``types``, and enough firings."""
    total = np.asarray(by_type.sum(0)).ravel()
    inside = np.asarray(by_type[types].sum(0)).ravel()
    often = firings.getnnz(axis=0) >= MIN_FIRINGS
    return np.flatnonzero(often & (inside > share * total))


def refined(
    latents: NDArray[np.int64],
    by_type: sp.csr_matrix,
    firings: sp.csr_matrix,
    token_ids: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Exchange a community's members for the latents that fire mostly on its core tokens.

    Communities of sparse graphs are ragged: they take in a stray pair of latents or lose one to a
    neighbour. Which token types they are about is robust, and settles who belongs.
    """
    mass = np.asarray(firings[:, latents].sum(1)).ravel().astype(np.float64)
    core = core_tokens(mass, token_ids, occurrences=count_types(token_ids))
    return latents_on(core, by_type, firings, share=CORE_SHARE)


def view_of(centroids: NDArray[np.float64]) -> View:
    """Choose, of the first four PCs, the pair in which centroids look most like a ring.

    Round means an H1 bar in the plane as long as a regular polygon's; beyond that the plane's share
    of the variance decides.
    """
    full = regular_loop(len(centroids))
    centre = centroids.mean(0)
    _, scale, axes = np.linalg.svd(centroids - centre, full_matrices=False)
    share = scale**2 / max(float((scale**2).sum()), 1e-30)
    points = (centroids - centre) @ axes.T
    pairs = list(combinations(range(min(4, len(scale))), 2))
    rings = [
        min(1.0, loops(points[:, pair])[0] / full) * float(share[list(pair)].sum())
        for pair in pairs
    ]
    # Without any loop the first two PCs are shown: they are the first pair.
    best = list(pairs[int(np.argmax(rings))])
    loop, second_loop = loops(points[:, :3])
    return View(
        axes=axes[best],
        centre=centre,
        ring=max(rings),
        share=float(share[best].sum()),
        loop=loop,
        second_loop=second_loop,
        closed=loop / full,
    )


def loops(points: NDArray[np.float64]) -> tuple[float, float]:
    """Longest and second longest H1 bar (Vietoris-Rips) of points (n, d) over their RMS radius."""
    radius = float(np.sqrt(((points - points.mean(0)) ** 2).sum(1).mean()))
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    bars = ripser(distances, distance_matrix=True, maxdim=1)["dgms"][1]
    lengths = np.sort(np.r_[bars[:, 1] - bars[:, 0], 0.0, 0.0])[::-1] / max(radius, 1e-30)
    return float(lengths[0]), float(lengths[1])


def score(cloud: Cloud, view: View) -> float:
    """How much a cluster looks like a manifold; label-free, one formula for all shapes.

    Its activation falls on few token types, its points differ by type, and they close a loop, in
    space or better in the plane.
    """
    return cloud.core_mass * cloud.token_share * (view.closed + view.ring)
