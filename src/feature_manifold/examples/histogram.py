"""How the activations of a latent are distributed."""

import numpy as np

from feature_manifold.core.arrays import Array, Float32Array, Int64Array
from feature_manifold.store.examples import N_BINS


def activation_histogram(rising: Array) -> tuple[Float32Array, Int64Array]:
    """Count activations in equal bins from the least to the greatest.

    Parameters
    ----------
    rising
        float16 or float32 (n,), positive, sorted, at least one.

    Returns
    -------
    bins : numpy.ndarray
        float32 (31,), edges. If all activations are equal they run from half to one and a half
        of it, so that it falls in the middle.
    counts : numpy.ndarray
        int64 (30,), of ``bins[i] <= a < bins[i + 1]``, the last bin with its upper edge; they
        add up to n.
    """
    least, greatest = float(rising[0]), float(rising[-1])
    if least == greatest:
        least, greatest = 0.5 * least, 1.5 * greatest
    bins = np.linspace(least, greatest, N_BINS + 1).astype(np.float32)
    places = np.searchsorted(rising.astype(np.float32, copy=False), bins, side="left")
    places[0], places[-1] = 0, len(rising)
    return bins, np.diff(places).astype(np.int64)
