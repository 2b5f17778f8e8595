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
from feature_manifold.geometry.equals import EQUAL, equal_groups, without_equals
from feature_manifold.geometry.neighbours import NOBODY, Neighbours, symmetric_edges

with warnings.catch_warnings():
    # umap-learn says at import that its optional neural variant is not installed.
    warnings.simplefilter("ignore", ImportWarning)
    from umap.umap_ import find_ab_params, fuzzy_simplicial_set, simplicial_set_embedding

MARGIN = 0.05
"""Height of the strip below the map, when there are latents that have no place on it."""

START_NEIGHBORS = 100
START_COLUMNS = 8
START_STEPS = 200
START_BOUND = 10.0
START_BULK = 0.9
START_REACH = 2.0
"""What lies beyond twice the reach of nine latents in ten starts at that bound."""


@dataclass(frozen=True)
class Layout:
    """A map of all latents.

    Attributes
    ----------
    positions
        float32 (n_latents, 2) in [0, 1], both axes in the same unit.
    unplaced
        int64 (n,), latents near to none but their equals, and so without a place: a decoder row
        of zeros. They stand in a row along the lower edge, below the map.
    """

    positions: Float32Array
    unplaced: Int64Array


def cosine_layout(pairs: LatentPairs, *, min_dist: float, seed: int) -> Layout:
    """Lay out all latents by the cosine of their decoder rows, whether they fire or not."""
    return umap_layout(
        pairs.cosine,
        equal_groups(pairs.cosine.ids, pairs.cosine.values >= EQUAL),
        n_neighbors=pairs.n_neighbors,
        min_dist=min_dist,
        seed=seed,
        name="cosine",
    )


def coactivation_layout(pairs: LatentPairs, *, min_dist: float, seed: int) -> Layout:
    """Lay out all latents by 0.5 cosine + 0.5 overlap coefficient of their tokens.

    Latents that never fire have the half by cosine only.
    """
    silent = np.append(np.diff(pairs.by_latent.indptr) == 0, False)
    ids = pairs.cosine.ids
    same = (pairs.cosine.values >= EQUAL) & silent[ids] & silent[:-1, None]
    return umap_layout(
        pairs.combined,
        equal_groups(ids, same),
        n_neighbors=pairs.n_neighbors,
        min_dist=min_dist,
        seed=seed,
        name="coactivation",
    )


LAYOUTS: Mapping[str, Callable[..., Layout]] = {
    "cosine": cosine_layout,
    "coactivation": coactivation_layout,
}
"""Name of each layout, as in ``store.layout.POSITIONS``, and what makes it."""


def umap_layout(
    neighbours: Neighbours,
    group: Int64Array,
    *,
    n_neighbors: int,
    min_dist: float,
    seed: int,
    name: str,
) -> Layout:
    """Draw latents near their neighbours, and equal latents in one place.

    Five equal latents would be all that any of them is near to, and drift off together; dead
    latents of an SAE are often equal.

    Parameters
    ----------
    neighbours
        Similarities of at most 1; the distance is 1 less the similarity. More than
        ``n_neighbors`` make up for equal ones, and help to find a start.
    group
        int64 (n_latents,), the first of the latents that are equal to each.
    n_neighbors
        Neighbours that UMAP looks at, the latent itself included. With fewer latents than that,
        each simply has fewer.
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
    neighbours = without_equals(neighbours, group)
    known = _has_neighbours(neighbours)
    placed, unplaced = np.flatnonzero(known), np.flatnonzero(~known[group])
    positions = np.zeros((neighbours.n_latents, 2), dtype=np.float32)
    if len(placed):
        random = generator(seed, "layout", name)
        map_ = _unit_square(_embed(_among(neighbours, placed), n_neighbors, min_dist, random))
        if len(unplaced):
            map_ = map_ * (1 - MARGIN) + [MARGIN / 2, MARGIN]
        positions[placed] = map_
        positions = positions[group]
    if len(unplaced):
        positions[unplaced, 0] = (np.arange(len(unplaced)) + 0.5) / len(unplaced)
    return Layout(positions, unplaced)


def _has_neighbours(neighbours: Neighbours) -> Array:
    """Return whether each latent has a neighbour or is one, bool (n_latents,).

    Where equal latents fill their own lists, those near to them still list them.
    """
    listed = neighbours.ids != NOBODY
    known: Array = listed.any(axis=1)
    known[neighbours.ids[listed]] = True
    return known


def _among(neighbours: Neighbours, placed: Int64Array) -> Neighbours:
    """Number the placed latents from 0 and leave the others out."""
    number = np.full(neighbours.n_latents + 1, NOBODY, dtype=np.int32)
    number[placed] = np.arange(len(placed))
    ids = number[neighbours.ids[placed]]
    return Neighbours(ids, np.where(ids == NOBODY, np.float32(0), neighbours.values[placed]))


def _embed(
    neighbours: Neighbours, n_neighbors: int, min_dist: float, random: np.random.Generator
) -> Array:
    """Return UMAP coordinates, float32 (n, 2), in UMAP's unit."""
    n = neighbours.n_latents
    near = neighbours.first(n_neighbors - 1)
    # UMAP counts a point as its own first neighbour. Where neighbours are missing, the distance
    # is that of unrelated latents and the id says that there is nobody.
    own = np.arange(n, dtype=np.int32)[:, None]
    ids = np.concatenate([own, near.ids], axis=1)
    distances = np.concatenate([np.zeros((n, 1), np.float32), 1 - near.values], axis=1)
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
                init=_start(graph + symmetric_edges(neighbours.first(START_NEIGHBORS)), random),
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

    Subspace iteration of the lazy walk, a fixed number of steps: UMAP's own start solves for the
    same modes to convergence, which fails or takes minutes on graphs of many components, and a
    start need only be smooth on the graph. The graph holds more neighbours than UMAP looks at,
    lest a few latents that are near to each other alone start, and so end, far outside.

    Returns
    -------
    numpy.ndarray
        float32 (n, 2), within about 10 of the origin, no two rows equal.
    """
    n = graph.shape[0]
    root = np.sqrt(np.asarray(graph.sum(axis=1)).ravel())
    # One that only latents far from it list may have no edge left: it starts anywhere.
    root[root == 0] = 1
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
    start /= np.quantile(np.abs(start), START_BULK, axis=0) + 1e-12
    start = START_BOUND * np.clip(start / START_REACH, -1, 1)
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
