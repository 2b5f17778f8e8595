"""How local firing is along a coordinate, and what it would be if firings were dealt otherwise."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from feature_manifold.core.arrays import Float64Array, Int64Array
from feature_manifold.geometry.cloud import Cloud
from feature_manifold.geometry.coordinate.coordinate import Coordinate
from feature_manifold.geometry.coordinate.tuning import TuningCurves, sums_by_place

N_BLOCKS = 20
"""Stretches of the corpus that are resampled: firings of one document are not independent."""

MOST_TYPES = 128
"""Of a map that is made for each draw; of more core types, every second, third and so on counts."""


def locality(firing: Float64Array, apart: Float64Array, *, n_axes: int) -> Float64Array:
    """Return 1 - the mean width of members' firing, weighted by how much each fires.

    The width is the mean distance of two of the member's firings, over that of two places, to the
    power of the number of axes: 1 of a member that fires everywhere alike; on a line, w of one that
    fires on a stretch of share w (4 w / 3 on a circle, for a w up to a half).

    Parameters
    ----------
    firing
        float64 (.., k, b), how often each of k members fires at each of b places.
    apart
        float64 (b, b), distances of the places.

    Returns
    -------
    numpy.ndarray
        float64 (..,).
    """
    total = firing.sum(axis=-1)
    pairs = ((firing @ apart) * firing).sum(axis=-1)
    mean = np.divide(pairs, total**2, out=np.zeros_like(pairs), where=total > 0)
    width = (mean / max(float(apart.mean()), 1e-300)) ** n_axes
    weight = np.maximum(total.sum(axis=-1), 1e-300)
    local: Float64Array = 1 - (total * width).sum(axis=-1) / weight
    return local


def dealt_firings(
    fires: Int64Array, counts: Int64Array, rounds: int, rng: np.random.Generator
) -> Int64Array:
    """Deal every member's firings to the tokens at random; return their numbers at each place.

    A token fires once at most, so these are multivariate hypergeometric, and no token is touched.

    Parameters
    ----------
    fires
        int64 (k, b), firings of each member at each place.
    counts
        int64 (b,), tokens of each place.

    Returns
    -------
    numpy.ndarray
        int64 (rounds, k, b).
    """
    return np.stack(
        [
            rng.multivariate_hypergeometric(counts, int(n), size=rounds, method="marginals")
            for n in fires.sum(axis=1)
        ],
        axis=1,
    )


def dealt_profiles(
    cloud: Cloud,
    coordinate: Coordinate,
    tiles: npt.NDArray[np.bool_],
    rounds: int,
    rng: np.random.Generator,
) -> tuple[float, Float64Array]:
    """Deal every member's tuning to the core types at random; return the locality on a new map.

    The map is that of the types' means, with straight distances in all dimensions: where types lie
    depends on who fires on them, in a draw as in the data.

    Parameters
    ----------
    tiles
        bool (k,), members whose locality is taken; all make the map.

    Returns
    -------
    tuple
        The locality of the data on such a map, and float64 (rounds,), those of the draws.
    """
    step = -(-len(coordinate.types) // MOST_TYPES)
    sums, fires = sums_by_place(cloud, coordinate.type_index, len(coordinate.types))
    counts = np.bincount(coordinate.type_index[coordinate.type_index >= 0])
    means, firing = (sums / counts).T[::step], (fires / counts).T[::step]
    n_axes = coordinate.n_axes

    def of(means: Float64Array, firing: Float64Array) -> float:
        points = means @ cloud.coordinates
        return float(locality(firing.T[tiles], cdist(points, points), n_axes=n_axes))

    observed = of(means, firing)
    draws = np.empty(rounds)
    for at in range(rounds):
        order = rng.permuted(np.tile(np.arange(len(means)), (means.shape[1], 1)), axis=1).T
        draws[at] = of(np.take_along_axis(means, order, 0), np.take_along_axis(firing, order, 0))
    return observed, draws


def resampled(
    cloud: Cloud, curves: TuningCurves, resamples: int, rng: np.random.Generator
) -> Iterator[Float64Array]:
    """Yield firing per token at each place, float64 (k, b), of resampled stretches of the corpus.

    A place of which a sample has no token keeps what it has in all.
    """
    n, k = len(curves.counts), len(curves.latents)
    core = curves.place >= 0
    before: Int64Array = np.cumsum(core) - core
    block = before * N_BLOCKS // max(int(core.sum()), 1)
    cell = block * n + np.maximum(curves.place, 0)
    counts = np.bincount(cell[core], minlength=N_BLOCKS * n).reshape(N_BLOCKS, n)
    _, fires = sums_by_place(cloud, np.where(core, cell, -1), N_BLOCKS * n)
    fires = fires.reshape(k, N_BLOCKS, n)
    for weight in rng.multinomial(N_BLOCKS, np.full(N_BLOCKS, 1 / N_BLOCKS), size=resamples):
        tokens = weight @ counts
        taken = np.einsum("i,kin->kn", weight, fires)
        yield np.where(tokens > 0, taken / np.maximum(tokens, 1), curves.firing)
