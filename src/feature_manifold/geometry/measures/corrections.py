"""p-values after correction for the number of clusters tried.

Of 1,000 clusters without structure 50 have p <= 0.05. Three corrections, and what each promises:

``holm``
    Family-wise error: at level a, the chance of even one false finding is at most a, whatever the
    dependence between clusters. The least p of R rounds is 1 / (1 + R), so that with few rounds
    nothing survives: 1,000 clusters need 20,000 rounds.
``bh``
    False discovery rate (Benjamini and Hochberg 1995): of the findings at level a, at most the
    share a is false on average, if clusters are independent or positively dependent.
`max_statistic`
    Family-wise error too, from the draws themselves (Westfall and Young 1993): each cluster is
    compared with the largest of all clusters in each round, so that few rounds are enough.
"""

from typing import Literal

import numpy as np

from feature_manifold.core.arrays import Array, Float64Array
from feature_manifold.core.errors import InputError


def corrected(p_values: Array, method: Literal["holm", "bh"] = "holm") -> Float64Array:
    """Return p-values corrected for how many there are.

    Parameters
    ----------
    p_values
        float (m,), in [0, 1]; NaN where there is none: it stays NaN and does not count.
    method
        ``holm`` (family-wise error) or ``bh`` (false discovery rate).

    Returns
    -------
    numpy.ndarray
        float64 (m,), at least the p-value that went in.

    Raises
    ------
    InputError
        If there is no such method.

    References
    ----------
    Holm (1979), A simple sequentially rejective multiple test procedure; Benjamini and Hochberg
    (1995), Controlling the false discovery rate.
    """
    if method not in ("holm", "bh"):
        raise InputError(f"No correction '{method}': there are holm and bh.")
    p_values = np.asarray(p_values, dtype=np.float64)
    found = np.full(len(p_values), np.nan)
    places = np.flatnonzero(~np.isnan(p_values))
    order = places[np.argsort(p_values[places], kind="stable")]
    m = len(order)
    rank = np.arange(1, m + 1)
    if method == "holm":
        found[order] = np.maximum.accumulate((m + 1 - rank) * p_values[order])
    else:
        found[order] = np.minimum.accumulate((p_values[order] * m / rank)[::-1])[::-1]
    capped: Float64Array = np.minimum(found, 1.0)
    return capped


def max_statistic(
    observed: Array, draws: Array, *, evidence: Literal["high", "low"] = "high"
) -> Float64Array:
    """Return family-wise corrected p-values, from draws of the null for each of m clusters.

    Each cluster's statistic and draws are put on one scale: less the mean and over the deviation of
    all of them together, so that no draw is treated unlike the observation. In each round the
    largest of all clusters stands for the family; clusters in order of evidence, each is compared
    with the largest among itself and those after it (step-down). With independent draws for each
    cluster the correction is on the safe side where clusters overlap.

    Parameters
    ----------
    observed
        float (m,), of the real data on as many points as each draw has (`Null.observed`).
    draws
        float (m, rounds), of the null (`Null.draws`).
    evidence
        Which values speak against the null.

    Returns
    -------
    numpy.ndarray
        float64 (m,), at least 1 / (1 + rounds); NaN for a cluster with a NaN.

    Raises
    ------
    InputError
        If shapes do not fit, or there is no draw.

    References
    ----------
    Westfall and Young (1993), Resampling-based multiple testing, step-down max T; Ge, Dudoit and
    Speed (2003).
    """
    every = np.column_stack([np.asarray(observed, np.float64), np.asarray(draws, np.float64)])
    if every.shape[1] < 2:
        raise InputError("Correction by the largest statistic needs at least one draw.")
    if evidence == "low":
        every = -every
    found = np.full(len(every), np.nan)
    whole = np.flatnonzero(~np.isnan(every).any(axis=1))
    kept = every[whole] - every[whole].mean(axis=1, keepdims=True)
    spread = kept.std(axis=1, keepdims=True)
    # All alike: the observation is no more extreme than any draw.
    kept = np.divide(kept, spread, out=np.zeros_like(kept), where=spread > 0)
    order = np.argsort(-kept[:, 0], kind="stable")
    kept = kept[order]
    largest = np.maximum.accumulate(kept[::-1, 1:], axis=0)[::-1]
    rounds = kept.shape[1] - 1
    p = (1 + (largest >= kept[:, :1] - 1e-12).sum(axis=1)) / (1 + rounds)
    found[whole[order]] = np.maximum.accumulate(p)
    return found
