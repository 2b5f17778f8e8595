"""Maps of all latents: UMAP on neighbours that are already known."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numba
import numpy as np
import scipy.sparse as sp
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

from feature_manifold.core.arrays import Array, Float32Array, Int64Array
from feature_manifold.core.rng import generator
from feature_manifold.geometry.edges import LatentPairs
from feature_manifold.geometry.neighbours import NOBODY, Neighbours

with warnings.catch_warnings():
    # umap-learn says at import that its optional neural variant is not installed.
    warnings.simplefilter("ignore", ImportWarning)
    from umap.umap_ import find_ab_params, fuzzy_simplicial_set, simplicial_set_embedding

MARGIN = 0.05
"""Height of the strip below the map, when there are latents that have no place on it."""

START_COLUMNS = 8
START_STEPS = 200


@dataclass(frozen=True)
class Layout:
    """A map of all latents.

    Attributes
    ----------
    positions
        float32 (n_latents, 2) in [0, 1], both axes in the same unit.
    unplaced
        int64 (n,), latents without any neighbour, and so without a place: a decoder row of
        zeros. They stand in a row along the lower edge, below the map.
    """

    positions: Float32Array
    unplaced: Int64Array


def cosine_layout(pairs: LatentPairs, *, min_dist: float, seed: int) -> Layout:
    """Lay out all latents by the cosine of their decoder rows, whether they fire or not."""
    neighbours = pairs.cosine.first(pairs.n_neighbors - 1)
    return umap_layout(neighbours, min_dist=min_dist, seed=seed, name="cosine")


def coactivation_layout(pairs: LatentPairs, *, min_dist: float, seed: int) -> Layout:
    """Lay out all latents by 0.5 cosine + 0.5 overlap coefficient of their tokens."""
    neighbours = pairs.combined.first(pairs.n_neighbors - 1)
    return umap_layout(neighbours, min_dist=min_dist, seed=seed, name="coactivation")


LAYOUTS: Mapping[str, Callable[..., Layout]] = {
    "cosine": cosine_layout,
    "coactivation": coactivation_layout,
}
"""Name of each layout, as in ``store.layout.POSITIONS``, and what makes it."""


def umap_layout(neighbours: Neighbours, *, min_dist: float, seed: int, name: str) -> Layout:
    """Draw latents near their neighbours.

    Parameters
    ----------
    neighbours
        Similarities of at most 1; the distance is 1 less the similarity. With fewer latents than
        neighbours wanted, each simply has fewer.
    min_dist
        UMAP's least distance of points, before scaling.
    seed
        The config's seed.
    name
        Name of the layout: two layouts draw independent numbers.

    Returns
    -------
    Layout
        The same for the same input, whatever the number of threads.

    References
    ----------
    McInnes, Healy, Melville (2018), UMAP: Uniform Manifold Approximation and Projection.
    """
    placed = np.flatnonzero((neighbours.ids != NOBODY).any(axis=1))
    unplaced = np.setdiff1d(np.arange(neighbours.n_latents), placed)
    positions = np.zeros((neighbours.n_latents, 2), dtype=np.float32)
    if len(placed):
        map_ = _unit_square(_embed(_among(neighbours, placed), min_dist, generator(seed, name)))
        if len(unplaced):
            map_ = map_ * (1 - MARGIN) + [MARGIN / 2, MARGIN]
        positions[placed] = map_
    if len(unplaced):
        positions[unplaced, 0] = (np.arange(len(unplaced)) + 0.5) / len(unplaced)
    return Layout(positions, unplaced)


def _among(neighbours: Neighbours, placed: Int64Array) -> Neighbours:
    """Number the placed latents from 0; their neighbours are all placed too."""
    number = np.full(neighbours.n_latents + 1, NOBODY, dtype=np.int32)
    number[placed] = np.arange(len(placed))
    return Neighbours(number[neighbours.ids[placed]], neighbours.values[placed])


def _embed(neighbours: Neighbours, min_dist: float, random: np.random.Generator) -> Array:
    """Return UMAP coordinates, float32 (n, 2), in UMAP's unit."""
    n = neighbours.n_latents
    # UMAP counts a point as its own first neighbour. Where neighbours are missing, the distance
    # is that of unrelated latents and the id says that there is nobody.
    own = np.arange(n, dtype=np.int32)[:, None]
    ids = np.concatenate([own, neighbours.ids], axis=1)
    distances = np.concatenate([np.zeros((n, 1), np.float32), 1 - neighbours.values], axis=1)
    state = check_random_state(int(random.integers(2**32)))
    a, b = find_ab_params(1.0, min_dist)
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        with threadpool_limits(1):
            graph, _, _ = fuzzy_simplicial_set(
                np.empty((n, 1)),
                ids.shape[1],
                state,
                "precomputed",
                knn_indices=ids,
                knn_dists=np.maximum(distances, 0),
            )
            embedding, _ = simplicial_set_embedding(
                data=None,
                graph=graph,
                n_components=2,
                initial_alpha=1.0,
                a=a,
                b=b,
                gamma=1.0,
                negative_sample_rate=5,
                n_epochs=None,
                init=_start(sp.csr_matrix(graph), random),
                random_state=state,
                metric="precomputed",
                metric_kwds={},
                densmap=False,
                densmap_kwds={},
                output_dens=False,
                parallel=False,
            )
    finally:
        numba.set_num_threads(threads)
    return np.asarray(embedding)


def _start(graph: sp.csr_matrix, random: np.random.Generator) -> Float32Array:
    """Return a start for UMAP: about the two slowest modes of a walk on the graph.

    Subspace iteration of the lazy walk, a fixed number of steps. UMAP's own start solves for the
    same modes to convergence, which fails or takes minutes on graphs of many components; a start
    need only be smooth on the graph.

    Returns
    -------
    numpy.ndarray
        float32 (n, 2), within 10 of the origin, no two rows equal.
    """
    n = graph.shape[0]
    root = np.sqrt(np.asarray(graph.sum(axis=1)).ravel())
    walk = sp.diags_array(1 / root) @ graph @ sp.diags_array(1 / root)
    constant = (root / np.linalg.norm(root))[:, None]
    modes = random.normal(size=(n, max(1, min(START_COLUMNS, n - 1))))
    for _ in range(START_STEPS):
        modes -= constant @ (constant.T @ modes)
        modes, _ = np.linalg.qr(modes + walk @ modes)
    _, turn = np.linalg.eigh(modes.T @ (walk @ modes))
    start = np.zeros((n, 2))
    slowest = (modes @ turn[:, ::-1])[:, :2] / root[:, None]
    start[:, : slowest.shape[1]] = slowest
    start *= 10 / max(np.abs(start).max(), 1e-12)
    return (start + random.normal(scale=1e-4, size=start.shape)).astype(np.float32)


def _unit_square(points: Array) -> Array:
    """Scale points to [0, 1] on the longer axis and centre the shorter, in float64."""
    points = points.astype(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    extent = (high - low).max()
    if extent == 0:
        return np.full(points.shape, 0.5)
    scaled: Array = np.clip((points - (low + high) / 2) / extent + 0.5, 0, 1)
    return scaled
