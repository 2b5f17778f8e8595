"""Intervals from resampled tokens.

Points are subsampled without replacement: with replacement, duplicates would push up the mutual
information, break TwoNN and add nothing to a Vietoris-Rips complex. Half of the points, left out
at random, spread a statistic as much as sampling error does (the delete-half jackknife, Shao and Wu
1989); for other sizes the spread is rescaled at the rate of a mean. Only the spread is taken from
the samples, never their level, which is biased where the statistic depends on the sample's size.
"""

import numpy as np
from scipy.stats import t

from feature_manifold.core.arrays import Float64Array

CONFIDENCE = 0.95


def scale_to_all(n_sample: int, n_used: int, n_points: int) -> float:
    """Return what the spread between subsamples times it is the sampling error of the value.

    Parameters
    ----------
    n_sample
        Points in a subsample, fewer than ``n_points``.
    n_used
        Points that the value is of.
    n_points
        Points that subsamples are drawn from, without replacement; they have a share in common, and
        vary less by it.
    """
    return float(np.sqrt(n_sample / n_used / (1 - n_sample / n_points)))


def interval(
    value: float, samples: Float64Array, *, scale: float, low: float | None, high: float | None
) -> tuple[float, float]:
    """Return value -+ t sd scale, within bounds.

    Parameters
    ----------
    value
        The estimate from all points.
    samples
        float64 (n_samples,), the statistic of each; those that are NaN do not count.
    scale
        From spread between samples to sampling error.
    low, high
        Bounds of the statistic, or None.

    Returns
    -------
    tuple of float
        Lower and upper end; NaN for fewer than two samples, or no value.
    """
    finite = samples[~np.isnan(samples)]
    if len(finite) < 2 or np.isnan(value):
        return float("nan"), float("nan")
    reach = float(t.ppf((1 + CONFIDENCE) / 2, len(finite) - 1) * finite.std(ddof=1) * scale)
    below, above = value - reach, value + reach
    return (
        below if low is None else max(below, low),
        above if high is None else min(above, high),
    )
