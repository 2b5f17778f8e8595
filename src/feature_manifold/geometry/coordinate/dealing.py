"""How local firing is along a coordinate, and what it would be if firings were dealt otherwise."""

from collections.abc import Iterator

import numpy as np
from scipy.spatial.distance import cdist

from feature_manifold.core.arrays import Array, Float64Array, Int64Array
from feature_manifold.core.kernels import kernel
from feature_manifold.geometry.cloud import Cloud
from feature_manifold.geometry.coordinate.coordinate import Coordinate
from feature_manifold.geometry.coordinate.tuning import (
    FLAT,
    HALF,
    RESPONDS,
    TuningCurves,
    sums_by_place,
)

N_BLOCKS = 20
"""Stretches of the corpus that are resampled: firings of one document are not independent."""

MOST_TYPES = 128
"""Of a map that is made for each draw; of more core types, every second, third and so on counts."""

EXCHANGES = 30
"""Tries for each member and type, from the data to the hidden state and from there to a draw."""


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
    cloud: Cloud, coordinate: Coordinate, rounds: int, rng: np.random.Generator
) -> tuple[float, Float64Array]:
    """Deal the members' tunings to the core types at random; return the locality on a new map.

    The map is that of the types' means, with straight distances in all dimensions: where types lie
    depends on who fires on them, in a draw as in the data. Types are core because enough members
    answer there strongly enough, so a draw keeps that (`dealt_slots`), and each member's mean
    activations. Members that are at half of their peak on ``FLAT`` of the types are left out, which
    is the same in the data and in every draw; all make the map.

    Returns
    -------
    tuple
        The locality of the data on such a map, and float64 (rounds,), those of the draws.
    """
    step = -(-len(coordinate.types) // MOST_TYPES)
    sums, fires = sums_by_place(cloud, coordinate.type_index, len(coordinate.types))
    counts = np.bincount(coordinate.type_index[coordinate.type_index >= 0])
    means, firing = (sums / counts)[:, ::step], (fires / counts)[:, ::step]
    top = means.max(axis=1, keepdims=True)
    tiles = ((means >= HALF * top) & (means > 0)).mean(axis=1) < FLAT
    n_axes = coordinate.n_axes

    def of(means: Float64Array, firing: Float64Array) -> float:
        points = means.T @ cloud.coordinates
        return float(locality(firing[tiles], cdist(points, points), n_axes=n_axes))

    draws = np.empty(rounds)
    for at, slots in enumerate(dealt_slots(means, rounds, rng)):
        draws[at] = of(np.take_along_axis(means, slots, 1), np.take_along_axis(firing, slots, 1))
    return of(means, firing), draws


def dealt_slots(means: Float64Array, rounds: int, rng: np.random.Generator) -> Int64Array:
    """Deal each member's means to types, so that all types remain core.

    A chain of exchanges of two types' values, of one member or of two, each of which keeps how many
    members answer at either type and leaves at either no less activation than the type has that has
    least. One chain leads from the data to a hidden state and one from there to each draw, so that
    data and draws are exchangeable however long the chains are.

    Parameters
    ----------
    means
        float64 (k, m), of each member at each type.
    rounds
        Draws.

    Returns
    -------
    numpy.ndarray
        int64 (rounds, k, m), the type whose value a member has at each type.

    References
    ----------
    Besag and Clifford (1989), Generalized Monte Carlo significance tests.
    """
    k, m = means.shape
    answers = (means >= RESPONDS * means.max(axis=1, keepdims=True)) & (means > 0)
    least = float(means.sum(axis=0).min()) * (1 - 1e-9)
    hidden = np.tile(np.arange(m), (1, k, 1))
    _exchange(hidden, means, answers, least, EXCHANGES * k * m, rng)
    slots = np.repeat(hidden, rounds, axis=0)
    _exchange(slots, means, answers, least, EXCHANGES * k * m, rng)
    return slots


@kernel()
def _exchange(
    slots: Array,
    means: Array,
    answers: Array,
    least: float,
    n_tries: int,
    rng: np.random.Generator,
) -> None:
    """Try exchanges on each of n states of ``slots`` (n, k, m), in place."""
    n, k, m = slots.shape
    for state in range(n):
        slot = slots[state]
        mass = np.zeros(m)
        for member in range(k):
            for kind in range(m):
                mass[kind] += means[member, slot[member, kind]]
        for _ in range(n_tries):
            a, b = int(rng.random() * k), int(rng.random() * 2 * k)
            i, j = int(rng.random() * m), int(rng.random() * m)
            both = b < k and b != a
            more = means[a, slot[a, j]] - means[a, slot[a, i]]
            excess = int(answers[a, slot[a, j]]) - int(answers[a, slot[a, i]])
            if both:
                more += means[b, slot[b, j]] - means[b, slot[b, i]]
                excess += int(answers[b, slot[b, j]]) - int(answers[b, slot[b, i]])
            if excess == 0 and mass[i] + more >= least and mass[j] - more >= least:
                mass[i] += more
                mass[j] -= more
                slot[a, i], slot[a, j] = slot[a, j], slot[a, i]
                if both:
                    slot[b, i], slot[b, j] = slot[b, j], slot[b, i]


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
