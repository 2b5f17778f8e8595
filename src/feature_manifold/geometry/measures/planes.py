"""Planes of consecutive principal components, and what is measured in each of them."""

from dataclasses import dataclass

import numpy as np

from feature_manifold.core.arrays import Float64Array
from feature_manifold.geometry.measures.mixture import N_DIRECTIONS, mixture
from feature_manifold.geometry.measures.separability import paper_angles, separability

MOST_COMPONENTS = 5
#: Components with less than this share of the largest variance are rounding.
LEAST_VARIANCE = 1e-10
#: Engels et al. leave out planes with a smaller mixture index.
LEAST_MIXTURE = 0.01


@dataclass(frozen=True)
class Principal:
    """Principal components of a point set.

    Attributes
    ----------
    mean
        float64 (r,).
    variances
        float64 (q,), falling, of the components that have any; q <= r.
    axes
        float64 (q, r), orthonormal.
    """

    mean: Float64Array
    variances: Float64Array
    axes: Float64Array


@dataclass(frozen=True)
class PlaneMeasures:
    """One plane of consecutive principal components.

    Attributes
    ----------
    first
        Its first component; 1 is the one with the most variance.
    separability, corrected
        In bits; see `Separability`.
    mixture
        See `Mixture`.
    """

    first: int
    separability: float
    corrected: float
    mixture: float

    @property
    def irreducible(self) -> float:
        """(1 - M) S with the corrected S: how little the plane looks like two features."""
        return (1 - self.mixture) * self.corrected


def principal(mean: Float64Array, covariance: Float64Array) -> Principal:
    """Return the principal components that have variance.

    Parameters
    ----------
    mean
        float64 (r,).
    covariance
        float64 (r, r), symmetric.
    """
    variances, axes = np.linalg.eigh(covariance)
    variances, axes = variances[::-1], axes.T[::-1]
    kept = variances > LEAST_VARIANCE * max(float(variances[0]), 0.0)
    return Principal(mean, variances[kept], np.ascontiguousarray(axes[kept]))


def principal_of(points: Float64Array) -> Principal:
    """Return the principal components of points (n, r), n at least 1."""
    mean = points.mean(axis=0)
    centred = points - mean
    return principal(mean, centred.T @ centred / len(points))


def plane_measures(
    components: Float64Array,
    *,
    angles: Float64Array | None = None,
    n_directions: int = N_DIRECTIONS,
) -> list[PlaneMeasures]:
    """Measure each plane of consecutive principal components, of the first five.

    Parameters
    ----------
    components
        float64 (n, c), points in their principal components.
    angles
        Rotations for the separability index; those of the published code by default.
    n_directions
        Directions for the mixture index.

    Returns
    -------
    list of PlaneMeasures
        min(c, 5) - 1 of them; none for a cloud of one dimension.
    """
    turns = paper_angles() if angles is None else angles
    found = []
    for first in range(min(components.shape[1], MOST_COMPONENTS) - 1):
        plane = components[:, first : first + 2]
        index = separability(plane, turns)
        slab = mixture(plane, n_directions=n_directions)
        found.append(PlaneMeasures(first + 1, index.plain, index.corrected, slab.index))
    return found


def best_plane(planes: list[PlaneMeasures]) -> PlaneMeasures | None:
    """Return the plane that looks least like two features that happen to share a cluster."""
    return max(planes, key=lambda plane: plane.irreducible, default=None)


def engels_score(planes: list[PlaneMeasures]) -> float:
    """Return the ranking score of Engels et al. (2024), as their code computes it.

    The sum of (1 - M) S over planes whose M is at least 0.01, over their number plus one. S is the
    plain index in bits. Their M is found by gradient ascent, this one by trying all slabs.
    """
    values = [
        (1 - plane.mixture) * plane.separability
        for plane in planes
        if plane.mixture >= LEAST_MIXTURE
    ]
    return sum(values) / (len(values) + 1) if planes else float("nan")
