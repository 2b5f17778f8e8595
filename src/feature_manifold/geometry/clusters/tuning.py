"""What a cluster does on its core tokens: the tuning of its latents, and the shape they trace."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from feature_manifold.core.arrays import Array, Float64Array, Int64Array
from feature_manifold.geometry.cloud import Cloud
from feature_manifold.geometry.clusters.core import core_tokens


@dataclass(frozen=True)
class Tuning:
    """Mean activations of a cluster's latents on its core tokens.

    Attributes
    ----------
    latents
        int64 (k,), members, ascending.
    core
        int64 (n_core,), token ids of the core tokens, ascending.
    means
        float64 (n_core, k), mean activation over all occurrences of each type.
    coordinates
        float64 (k, r), decoder rows in the cloud's basis: ``means @ coordinates`` are the mean
        reconstructions.
    core_mass
        Share of the cluster's activation that falls on core tokens.
    token_share
        Share of the variance over occurrences of core tokens that lies between token types, less
        what would by chance (the adjusted R2 of the type); at least 0.
    """

    latents: Int64Array
    core: Int64Array
    means: Float64Array
    coordinates: Float64Array
    core_mass: float
    token_share: float

    @property
    def points(self) -> Float64Array:
        """Mean reconstruction of each core token, float64 (n_core, r)."""
        points: Float64Array = self.means @ self.coordinates
        return points


def tuning_of(cloud: Cloud, token_ids: Array, occurrences: Int64Array) -> Tuning:
    """Average a cloud over the token types on which the cluster usually fires strongly.

    Parameters
    ----------
    cloud
        Of the cluster.
    token_ids
        int (n_points,), vocabulary id of each of its points; -1 where unknown.
    occurrences
        int64 (n_types,), tokens of each type in the corpus.
    """
    mass = np.asarray(cloud.activations.sum(axis=1), dtype=np.float64).ravel()
    core = core_tokens(mass, token_ids, occurrences=occurrences)
    inside = np.flatnonzero(np.isin(token_ids, core))
    active = cloud.activations[inside].astype(np.float64)
    slot = np.searchsorted(core, token_ids[inside])
    # Tokens of a core type on which the cluster is silent count: their activations are 0.
    n_each = occurrences[core].astype(np.float64)
    pick = sp.csr_matrix(
        (1 / n_each[slot], (slot, np.arange(len(inside)))), shape=(len(core), len(inside))
    )
    means = (pick @ active).toarray()
    return Tuning(
        latents=cloud.latents,
        core=core,
        means=means,
        coordinates=cloud.coordinates,
        core_mass=float(mass[inside].sum() / mass.sum()) if len(mass) else 0.0,
        token_share=_token_share(active, cloud.coordinates, means, n_each),
    )


def _token_share(
    active: sp.csr_matrix, coordinates: Float64Array, means: Float64Array, n_each: Float64Array
) -> float:
    """Return the adjusted share of the variance of reconstructions between token types."""
    n, n_types = n_each.sum(), len(n_each)
    if n_types < 2 or n <= n_types:
        return 0.0
    # Total sum of squares from moments of the k activations: |a D|^2 = a (D D^T) a^T.
    gram = coordinates @ coordinates.T
    squares = float((active.T @ active).multiply(gram).sum())
    points = means @ coordinates
    mean = n_each @ points / n
    total = squares - n * float(mean @ mean)
    between = float(n_each @ ((points - mean) ** 2).sum(axis=1))
    if total <= 0:
        return 0.0
    within = max(total - between, 0.0) / (n - n_types)
    return float(max(0.0, 1 - within / (total / (n - 1))))
