"""Cosines exact to float32, and the norms that they need."""

import numpy as np

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.core.kernels import kernel
from feature_manifold.store.npy import release

ROWS = 1024
"""Rows converted to float64 at a time: 44 MB at a d_model of 5,376."""


def row_norms(decoder: Array) -> Array:
    """Return the length of each decoder row, float64 (n_latents,).

    Raises
    ------
    CorruptArtifactError
        If a row is not finite.
    """
    norms = np.empty(len(decoder), dtype=np.float64)
    for start in range(0, len(decoder), ROWS):
        rows = decoder[start : start + ROWS].astype(np.float64)
        norms[start : start + ROWS] = np.sqrt(np.einsum("ld,ld->l", rows, rows))
        release(decoder)
    if not np.isfinite(norms).all():
        latent = int(np.flatnonzero(~np.isfinite(norms))[0])
        raise CorruptArtifactError(
            f"decoder.npy: row {latent} is not finite. Harvest the experiment again."
        )
    return norms


@kernel(reassociate=True)
def exact_cosine(rows: Array, norms: Array, one: int, other: int) -> float:
    """Return one cosine, summed in float64 and rounded to float32: equal directions tie."""
    total = 0.0
    for axis in range(rows.shape[1]):
        total += np.float64(rows[one, axis]) * np.float64(rows[other, axis])
    return np.float64(np.float32(total / (norms[one] * norms[other])))
