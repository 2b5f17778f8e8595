"""The cloud of a cluster: exact joint reconstructions of its latents, in k dimensions.

The reconstruction of a token is r_t = sum over members i of a_i(t) d_i, without decoder bias, for
tokens on which at least one member fires. All r_t lie in the span of the k decoder rows. With
D = R Q, Q orthonormal, the points a_t R have the same distances, PCA and measures as the
d_model-wide ones, which are never formed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from feature_manifold.core.arrays import Array, Int64Array
from feature_manifold.core.errors import InputError
from feature_manifold.store.firings import FiringsByLatent

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cloud:
    """Reconstructions of a cluster.

    Attributes
    ----------
    latents
        int64 (k,), members, ascending.
    tokens
        uint32 (n,), token-table rows with at least one member firing, ascending.
    activations
        float32 (n, k), CSR, of the members at the tokens; columns rise within a row.
    coordinates
        float64 (k, r), decoder rows in the basis; r = min(k, d_model).
    basis
        float64 (r, d_model), orthonormal rows.
    """

    latents: Int64Array
    tokens: Array
    activations: sp.csr_matrix
    coordinates: Float64Array
    basis: Float64Array

    @property
    def n_points(self) -> int:
        """Number of points."""
        return len(self.tokens)

    def points(self) -> Float64Array:
        """Return the reconstructions in the basis, float64 (n, r)."""
        return np.asarray(self.activations @ self.coordinates)


def build_cloud(firings: FiringsByLatent, decoder: Array, latents: Sequence[int]) -> Cloud:
    """Build the cloud of a cluster.

    Parameters
    ----------
    firings
        By latent; may be memory-mapped.
    decoder
        float32 (n_latents, d_model); may be memory-mapped.
    latents
        Members in any order; they count once.

    Raises
    ------
    InputError
        If there is no member, or one that does not exist.
    """
    members = np.unique(np.asarray(latents, dtype=np.int64))
    if not len(members):
        raise InputError("A cluster needs at least one latent.")
    for latent in members[[0, -1]].tolist():
        if not 0 <= latent < firings.n_latents:
            raise InputError(f"No latent {latent}: there are 0 to {firings.n_latents - 1}.")
    parts = [firings.latent(latent) for latent in members.tolist()]
    tokens = np.concatenate([part[0] for part in parts])
    values = np.concatenate([part[1] for part in parts]).astype(np.float32)
    columns = np.repeat(np.arange(len(members)), [len(part[0]) for part in parts])
    rows, place = np.unique(tokens, return_inverse=True)
    activations = sp.csr_matrix((values, (place, columns)), shape=(len(rows), len(members)))
    activations.sort_indices()
    basis, upper = np.linalg.qr(np.asarray(decoder[members], dtype=np.float64).T)
    return Cloud(members, rows, activations, np.ascontiguousarray(upper.T), basis.T)
