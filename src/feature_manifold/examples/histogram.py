"""Compiled: how the activations of a latent are distributed."""

import numpy as np

from feature_manifold.core.arrays import Array
from feature_manifold.core.kernels import kernel

FLOAT32_MAX = float(np.finfo(np.float32).max)


@kernel()
def fill_histogram(
    values: Array, counts: Array, low: int, high: int, bins: Array, histogram: Array
) -> None:
    """Count activations in equal bins from the least to the greatest.

    Parameters
    ----------
    values, counts
        Activation of each code, float64, rising, and how often it occurs; see ``core.counting``.
    low, high
        The least and the greatest code that occur.
    bins
        float32 (n + 1,), written: edges. If all activations are equal they run from half to one
        and a half of it, so that it falls in the middle.
    histogram
        int64 (n,), zeros, written: how many are ``bins[i] <= a < bins[i + 1]``, the last bin with
        its upper edge.
    """
    n_bins = len(histogram)
    least, greatest = values[low], values[high]
    if low == high:
        least, greatest = 0.5 * least, min(1.5 * greatest, FLOAT32_MAX)
    step = (greatest - least) / n_bins
    for edge in range(n_bins):
        bins[edge] = edge * step + least
    bins[n_bins] = greatest
    place = 0
    for code in range(low, high + 1):
        while place < n_bins - 1 and values[code] >= bins[place + 1]:
            place += 1
        histogram[place] += counts[code]
