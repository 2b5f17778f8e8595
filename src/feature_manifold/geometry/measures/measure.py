"""Measure one cluster: every measure with its interval and its nulls."""

from collections.abc import Mapping, Sequence

import numpy as np
import scipy.sparse as sp

from feature_manifold.core.arrays import Array, Float64Array, Int64Array
from feature_manifold.core.errors import InputError
from feature_manifold.core.rng import generator
from feature_manifold.geometry.cloud import Cloud
from feature_manifold.geometry.means import type_means
from feature_manifold.geometry.measures.dimension import participation_ratio, two_nn
from feature_manifold.geometry.measures.mixture import mixture_by_ascent
from feature_manifold.geometry.measures.nulls import matched_gaussian, shuffled, shuffled_types
from feature_manifold.geometry.measures.planes import (
    MOST_COMPONENTS,
    best_plane,
    plane_measures,
    principal_of,
)
from feature_manifold.geometry.measures.registry import BY_NAME, MEASURES
from feature_manifold.geometry.measures.resampling import interval, scale_to_all
from feature_manifold.geometry.measures.results import (
    Effort,
    Measured,
    Null,
    effort_of,
    null_of,
)
from feature_manifold.geometry.measures.statistics import (
    POINT_STATISTICS,
    TYPE_STATISTICS,
    loop_row,
    loops_of_points,
    plane_row,
    point_statistics,
    type_statistics,
)
from feature_manifold.geometry.measures.token_types import token_entropy
from feature_manifold.geometry.pca import fit_pca, project

LEAST_POINTS = 20
"""A cloud of fewer points has no shape to measure."""

LEAST_TYPES = 4
"""Fewer mean points close no loop."""


def measure_cloud(
    cloud: Cloud,
    token_ids: Array,
    *,
    core_types: Array | None = None,
    seed: int = 0,
    effort: Effort | str = "survey",
) -> Mapping[str, Measured]:
    """Measure a cluster.

    Values are of all points, but for those that say otherwise in `Effort`. Nulls and intervals are
    of seeded samples. The result depends on the cluster, the seed and the effort only.

    Parameters
    ----------
    cloud
        Of n points.
    token_ids
        int (n,), vocabulary id of each point; negative where it is not known.
    core_types
        Token types whose mean points are measured, in any order; all types if None.
    seed
        Of every random choice.
    effort
        ``survey`` for each of many candidates, ``full`` for one.

    Returns
    -------
    Mapping
        By name, in the order of `MEASURES`. A measure that does not apply is NaN.

    Raises
    ------
    InputError
        If there is not one token id per point, or no such effort.
    """
    level = effort_of(effort)
    if len(token_ids) != cloud.n_points:
        raise InputError(f"{len(token_ids):,} token ids for a cloud of {cloud.n_points:,} points.")
    names = ("measures", *map(str, cloud.latents.tolist()))
    nothing = Measured(float("nan"), nulls={})
    measured = {
        **_of_points(cloud, level, generator(seed, *names, "points")),
        **_of_types(cloud, token_ids, core_types, level, generator(seed, *names, "types")),
        **_of_tokens(token_ids, level, generator(seed, *names, "entropy")),
    }
    return {measure.name: measured.get(measure.name, nothing) for measure in MEASURES}


def _of_points(cloud: Cloud, level: Effort, rng: np.random.Generator) -> dict[str, Measured]:
    n = cloud.n_points
    if n < LEAST_POINTS:
        return {}
    order = rng.permutation(n)
    values, chosen = _values(cloud, level, order, rng)
    sample, rounds = cloud.activations[order[: level.points]], range(level.rounds)
    points = _points(sample, cloud.coordinates)
    spectrum = principal_of(points)
    draws = {
        "shuffle": [
            point_statistics(_points(shuffled(sample, rng), cloud.coordinates), level)
            for _ in rounds
        ],
        "spectrum": [
            point_statistics(matched_gaussian(spectrum, len(points), rng), level) for _ in rounds
        ],
    }
    n_sample = min(n // 2, level.points)
    samples = []
    for _ in range(level.resamples):
        rows = rng.choice(n, n_sample, replace=False)
        samples.append(point_statistics(_points(cloud.activations[rows], cloud.coordinates), level))
    scales = dict.fromkeys(POINT_STATISTICS, scale_to_all(n_sample, n, n))
    n_used = min(n, len(_sets(n, level)) * level.neighbours)
    n_neighbours = min(n_sample, level.neighbours)
    scales["intrinsic_dimension"] = scale_to_all(n_neighbours, n_used, n)
    observed = point_statistics(points, level)
    found = named(POINT_STATISTICS, values, observed, draws, samples, scales)
    return {**found, **chosen}


def _sets(n: int, level: Effort) -> range:
    """Return where the whole sets begin that TwoNN takes of n points; one set, if they are few."""
    size = level.neighbours
    return range(0, max(n - size, 0) + 1, size)[: level.parts]


def _points(activations: sp.csr_matrix, coordinates: Float64Array) -> Float64Array:
    return np.asarray(activations @ coordinates)


def _values(
    cloud: Cloud, level: Effort, order: Int64Array, rng: np.random.Generator
) -> tuple[Float64Array, dict[str, Measured]]:
    """Return `POINT_STATISTICS` of all points, and what has neither interval nor null."""
    pca = fit_pca(cloud, cloud.coordinates.shape[1])
    leading = project(cloud, fit_pca(cloud, MOST_COMPONENTS)).astype(np.float64)
    planes = plane_measures(leading)
    best = best_plane(planes)
    chosen: dict[str, Measured] = {}
    if best is not None:
        plane = leading[order[: level.ascended], best.first - 1 : best.first + 1]
        chosen["plane"] = Measured(float(best.first))
        chosen["mixture_published"] = Measured(mixture_by_ascent(plane, rng))
    size = level.neighbours
    dimensions = [
        two_nn(_points(cloud.activations[order[start : start + size]], cloud.coordinates))
        for start in _sets(len(order), level)
    ]
    finite = [dimension for dimension in dimensions if not np.isnan(dimension)]
    pool = _points(cloud.activations[order[: level.pool]], cloud.coordinates)
    row = [
        *plane_row(planes),
        float(np.mean(finite)) if finite else float("nan"),
        participation_ratio(pca.variances),
        *loop_row(loops_of_points(pool, level.landmarks)),
    ]
    return np.array(row), chosen


def _of_types(
    cloud: Cloud,
    token_ids: Array,
    core_types: Array | None,
    level: Effort,
    rng: np.random.Generator,
) -> dict[str, Measured]:
    """Measure mean points; their interval is a Bayesian bootstrap of the occurrences of each type.

    Its weights (Rubin 1981) let no type vanish, as resampling with replacement may.
    """
    known = np.flatnonzero(np.asarray(token_ids) >= 0)
    if core_types is not None:
        known = known[np.isin(np.asarray(token_ids)[known], core_types)]
    core, ids = cloud.selected(known), np.asarray(token_ids)[known]
    if len(np.unique(ids)) < LEAST_TYPES:
        return {}
    means = type_means(core, ids)
    observed = type_statistics(means.means)
    rounds, spectrum = range(level.rounds), principal_of(means.means)
    draws = {
        "shuffle": [
            type_statistics(shuffled_types(means.activations, rng) @ cloud.coordinates)
            for _ in rounds
        ],
        "spectrum": [
            type_statistics(matched_gaussian(spectrum, len(means.types), rng)) for _ in rounds
        ],
    }
    slots, n_types = np.searchsorted(means.types, ids), len(means.types)
    samples = [
        type_statistics(weighted_means(core.activations, slots, n_types, rng) @ cloud.coordinates)
        for _ in range(level.resamples)
    ]
    return named(TYPE_STATISTICS, observed, observed, draws, samples)


def weighted_means(
    activations: sp.csr_matrix, slots: Int64Array, n_types: int, rng: np.random.Generator
) -> Float64Array:
    """Return the mean activations of each type with exponential weights, float64 (n_types, k).

    Parameters
    ----------
    activations
        (n, k), CSR.
    slots
        int64 (n,), the type of each point, as a place in ``means``.
    n_types
        Number of types; each has a point.
    rng
        Draws the weights.
    """
    n = len(slots)
    weights = rng.standard_exponential(n)
    pick = sp.csr_matrix((weights, (slots, np.arange(n))), shape=(n_types, n))
    totals = np.bincount(slots, weights=weights, minlength=n_types)
    means: Float64Array = (pick @ activations).toarray() / totals[:, None]
    return means


def _of_tokens(token_ids: Array, level: Effort, rng: np.random.Generator) -> dict[str, Measured]:
    known = np.asarray(token_ids)[np.asarray(token_ids) >= 0]
    if not len(known):
        return {}
    counts = np.unique(known, return_counts=True)[1]
    value = token_entropy(counts)
    drawn = rng.multinomial(len(known), counts / len(known), size=level.resamples)
    samples = np.array([token_entropy(row) for row in drawn])
    low, high = interval(value, samples, scale=1.0, low=0.0, high=None)
    return {"token_entropy": Measured(value, low, high)}


def named(
    names: Sequence[str],
    values: Float64Array,
    observed: Float64Array,
    draws: Mapping[str, Sequence[Float64Array]],
    samples: Sequence[Float64Array],
    scales: Mapping[str, float] | None = None,
) -> dict[str, Measured]:
    """Put together what was found of m statistics.

    Parameters
    ----------
    names
        Of the statistics; their measures say which nulls apply.
    values
        float64 (m,), of all points.
    observed
        float64 (m,), of as many points as a draw has.
    draws
        By null, float64 (m,) of each draw.
    samples
        float64 (m,) of each resample.
    scales
        From the spread between samples to the sampling error of the value, by name; 1 if None.
    """
    found = {}
    table = {null: np.stack(rows) for null, rows in draws.items()}
    spread = np.stack(samples)
    for place, name in enumerate(names):
        measure, value = BY_NAME[name], float(values[place])
        nulls: dict[str, Null] = {
            null: null_of(float(observed[place]), table[null][:, place], measure.evidence)
            for null in measure.nulls
        }
        # A band of stability is how far the measure moves, as it is.
        scale = 1.0 if scales is None or measure.interval == "stability" else scales[name]
        low, high = interval(
            value, spread[:, place], scale=scale, low=measure.low, high=measure.high
        )
        found[name] = Measured(value, low, high, nulls)
    return found
