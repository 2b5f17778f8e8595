"""Measure one cluster against a concept: words or numbers in an order, or round a circle."""

from collections.abc import Mapping

import numpy as np

from feature_manifold.core.arrays import Array, Float64Array
from feature_manifold.core.errors import InputError
from feature_manifold.core.rng import generator
from feature_manifold.geometry.cloud import Cloud
from feature_manifold.geometry.measures.concept_statistics import (
    CONCEPT_STATISTICS,
    concept_statistics,
)
from feature_manifold.geometry.measures.measure import named
from feature_manifold.geometry.measures.nulls import matched_gaussian
from feature_manifold.geometry.measures.planes import principal_of
from feature_manifold.geometry.measures.registry import CONCEPT_MEASURES
from feature_manifold.geometry.measures.results import Effort, Measured, effort_of
from feature_manifold.geometry.measures.steps import StepPoints, steps_of_values

ROUNDS = 5
"""Draws from each null, in rounds of the effort: they are of steps, and cost little."""

LEAST_STEPS = 4


def values_of_points(token_ids: Array, types: Array, values: Array) -> Float64Array:
    """Return the concept's coordinate of each point, NaN where its token is not of the concept.

    Parameters
    ----------
    token_ids
        int (n,), vocabulary id of each point.
    types
        int (m,), different token types, in any order: all spellings of all steps.
    values
        float (m,), coordinate of each; spellings of one step share it.

    Raises
    ------
    InputError
        If there is not one value per type, or a type occurs twice.
    """
    if len(types) != len(values) or len(np.unique(types)) != len(types):
        raise InputError(f"{len(types)} token types and {len(values)} values: one for each.")
    found = np.full(len(token_ids), np.nan)
    if not len(types):
        return found
    order = np.argsort(types)
    ids = np.asarray(types)[order]
    place = np.minimum(np.searchsorted(ids, token_ids), len(ids) - 1)
    on = ids[place] == token_ids
    found[on] = np.asarray(values, dtype=np.float64)[order][place[on]]
    return found


def measure_concept(
    cloud: Cloud,
    values: Array,
    *,
    period: float | None = None,
    n_steps: int | None = None,
    seed: int = 0,
    effort: Effort | str = "survey",
) -> Mapping[str, Measured]:
    """Measure how a cluster's points follow a concept.

    Points with the same value are a step; measures are of all points of all steps, each step
    weighing the same. Intervals are a Bayesian bootstrap of the points of each step (Rubin 1981):
    steps are not resampled, they are the concept. Nulls: ``labels`` deals the values to other
    steps; ``spectrum`` puts random means of the same covariance in the place of the steps' means.

    Parameters
    ----------
    cloud
        Of n points.
    values
        float (n,), the concept's coordinate of each point, NaN off the concept; see
        `values_of_points`.
    period
        Of the values, on a circle; None for an order.
    n_steps
        Steps that the concept has, for ``concept_coverage``.
    seed
        Of every random choice.
    effort
        As for `measure_cloud`.

    Returns
    -------
    Mapping
        By name, in the order of `CONCEPT_MEASURES`. A measure that does not apply is NaN; all do
        not where the cluster fires on fewer than four steps.

    Raises
    ------
    InputError
        If there is not one value per point, or the period is not positive.
    """
    level = effort_of(effort)
    if len(values) != cloud.n_points:
        raise InputError(f"{len(values):,} values for a cloud of {cloud.n_points:,} points.")
    if period is not None and not period > 0:
        raise InputError(f"A period of {period}: it has to be positive.")
    rng = generator(seed, "measures", *map(str, cloud.latents.tolist()), "concept")
    values = np.asarray(values, dtype=np.float64)
    on = np.flatnonzero(~np.isnan(values))
    slots, steps = steps_of_values(values[on])
    measured: dict[str, Measured] = {}
    if len(steps) >= LEAST_STEPS:
        points = StepPoints(cloud.activations[on], cloud.coordinates, slots, steps)
        measured = _measured_steps(points, period, level, rng)
    if n_steps:
        # Not the steps of `steps_of_values`, which are bins if there are many.
        measured["concept_coverage"] = Measured(len(np.unique(values[on])) / n_steps)
    nothing = Measured(float("nan"))
    return {measure.name: measured.get(measure.name, nothing) for measure in CONCEPT_MEASURES}


def _measured_steps(
    points: StepPoints, period: float | None, level: Effort, rng: np.random.Generator
) -> dict[str, Measured]:
    steps = points.steps()
    n, rounds = len(steps.values), range(ROUNDS * level.rounds)
    observed = concept_statistics(steps, period)
    spectrum = principal_of(steps.means)
    draws = {
        "labels": [concept_statistics(steps.permuted(rng.permutation(n)), period) for _ in rounds],
        "spectrum": [
            concept_statistics(steps.moved(matched_gaussian(spectrum, n, rng)), period)
            for _ in rounds
        ],
    }
    samples = [
        concept_statistics(points.steps(rng.standard_exponential(len(points.slots))), period)
        for _ in range(level.resamples)
    ]
    return named(CONCEPT_STATISTICS, observed, observed, draws, samples)
