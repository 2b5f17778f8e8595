"""Which firings of a latent are shown: the strongest, and samples of three strengths."""

import numpy as np

from feature_manifold.core.arrays import Array, Int64Array

GROUP_PERCENTS = {"high": (10, 25), "medium": (40, 60), "low": (75, 90)}
"""Ranks of each sampled group, in percent of a latent's firings counted from the strongest: the
75th to 90th percentile of activation is high, the 40th to 60th medium, the 10th to 25th low."""

TRIES_PER_PICK = 16


def strongest_first(activations: Array) -> Int64Array:
    """Order firings by falling activation; of equals the earlier token first.

    Parameters
    ----------
    activations
        float16 or float32 (n,), positive, in token order.

    Returns
    -------
    numpy.ndarray
        int64 (n,), positions in ``activations``.
    """
    # Bits of positive floats rise with their value, and 16-bit numbers are radix-sorted.
    bits = activations.view(f"u{activations.dtype.itemsize}")
    return np.argsort(np.iinfo(bits.dtype).max - bits, kind="stable")


def group_ranks(n_firings: int, group: str, *, top_k: int) -> tuple[int, int]:
    """Return the ranks ``[first, last)``, from the strongest, of a group; none is in the top k."""
    low, high = GROUP_PERCENTS[group]
    first = max(n_firings * low // 100, min(top_k, n_firings))
    return first, max(first, n_firings * high // 100)


def sample_ranks(
    ranks: tuple[int, int], *, n_picks: int, random: np.random.Generator
) -> Int64Array:
    """Draw distinct ranks in random order: more than are wanted, since some will not do."""
    size = ranks[1] - ranks[0]
    drawn = random.choice(size, min(size, n_picks * TRIES_PER_PICK), replace=False)
    return np.asarray(drawn + ranks[0], dtype=np.int64)
