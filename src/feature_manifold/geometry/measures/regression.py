"""Can a step's place on the concept be told from the others? Ridge, with whole steps left out."""

import numpy as np

from feature_manifold.core.arrays import Float64Array, Int64Array
from feature_manifold.geometry.measures.planes import MOST_COMPONENTS
from feature_manifold.geometry.measures.steps import Steps

N_FOLDS = 10
RIDGE = 0.01
"""Penalty, in mean variances of the components that are used."""


def held_out_r2(steps: Steps, targets: Float64Array) -> float:
    """Return R2 of targets predicted from components, on steps that the fit has not seen.

    All points of a step have the same target, so a fit that has seen some of them knows the answer
    for the rest: with a direction for each word, any arrangement of the words is predicted. So
    steps are left out whole, with all their spellings: one at a time of up to ten, else every
    tenth. And there are at least twice as many steps as components, or what is left of seven
    weekdays could be fitted whatever they were: 3 components for 7 steps, 5 from 11.

    R2 = 1 - sum |y - y'|^2 / sum |y - y0|^2 over all points, each step weighing the same, y0 the
    mean of the targets that the fit has seen.

    Parameters
    ----------
    steps
        s steps.
    targets
        float64 (s, q).

    Returns
    -------
    float
        At most 1; below 0 if the mean does better; NaN for fewer than four steps.
    """
    n = len(targets)
    if n < 4:
        return float("nan")
    c = min(MOST_COMPONENTS, max(2, (n - 1) // 2))
    means, scatters = steps.components[:, :c], steps.scatters[:, :c, :c]
    missed = against = 0.0
    for left_out in folds(n):
        seen = np.ones(n, dtype=bool)
        seen[left_out] = False
        weights, offset = _fit(means[seen], scatters[seen], targets[seen])
        away = targets[left_out] - (means[left_out] @ weights + offset)
        # Points scatter about their step's mean; so do their predictions.
        spread = np.tensordot(weights @ weights.T, scatters[left_out].sum(axis=0))
        missed += float((away**2).sum() + spread)
        against += float(((targets[left_out] - targets[seen].mean(axis=0)) ** 2).sum())
    return 1 - missed / against if against > 0 else float("nan")


def folds(n_steps: int) -> list[Int64Array]:
    """Return which steps are left out together: neighbours of each stay."""
    count = min(n_steps, N_FOLDS)
    return [np.arange(start, n_steps, count, dtype=np.int64) for start in range(count)]


def _fit(
    means: Float64Array, scatters: Float64Array, targets: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Return ridge weights (c, q) and offset (q,), each step weighing the same."""
    centre, middle = means.mean(axis=0), targets.mean(axis=0)
    away = means - centre
    covariance = away.T @ away / len(means) + scatters.mean(axis=0)
    penalty = RIDGE * max(float(np.trace(covariance)) / len(centre), 1e-300)
    weights: Float64Array = np.linalg.solve(
        covariance + penalty * np.eye(len(centre)), away.T @ (targets - middle) / len(means)
    )
    return weights, middle - centre @ weights
