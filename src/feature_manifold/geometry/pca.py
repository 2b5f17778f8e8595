"""Principal axes of a cloud, from its moments, and coordinates along them.

The same as a PCA of the d_model-wide reconstructions in float64: the cloud's basis is orthonormal,
so covariances, axes and projections carry over (``Pca.directions``).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.sparse as sp

from feature_manifold.core.arrays import Array, Float32Array, Float64Array
from feature_manifold.core.errors import InputError
from feature_manifold.geometry.axes import default_signs, followed
from feature_manifold.geometry.cloud import Cloud
from feature_manifold.geometry.means import type_means
from feature_manifold.geometry.moments import Moments, moments_of

ROUNDINGS = 64
"""Variances of fewer roundings of the cloud's size are none: what is left of sums that cancel."""


@dataclass(frozen=True)
class Pca:
    """Principal axes of a cloud.

    Attributes
    ----------
    mean
        float64 (r,), of the points in the cloud's basis; zero if not centred.
    axes
        float64 (c, r), orthonormal rows in the cloud's basis. c is what was asked for or, if less,
        ``rank``.
    variances
        float64 (c,), positive, sum of squares over n; falling, but where a reference was followed.
    share
        float64 (c,), of the variance in all directions.
    basis
        float64 (r, d_model), the cloud's.
    rank
        Directions in which the points vary. A single point has none, nor do points all alike.
    n_fitted
        Points, or token types, that were fitted.
    unit
        Whether points were given length one first; ``project`` does the same.
    """

    mean: Float64Array
    axes: Float64Array
    variances: Float64Array
    share: Float64Array
    basis: Float64Array
    rank: int
    n_fitted: int
    unit: bool = False

    @property
    def n_components(self) -> int:
        """Number of axes."""
        return len(self.axes)

    def directions(self) -> Float64Array:
        """Return the axes in the model's space, float64 (c, d_model)."""
        return self.axes @ self.basis

    def along(self, points: Array) -> Float64Array:
        """Return coordinates, float64 (m, c), of points (m, r) given in the cloud's basis."""
        return (points - self.mean) @ self.axes.T


def fit_pca(
    cloud: Cloud,
    n_components: int,
    *,
    centred: bool = True,
    unit: bool = False,
    min_norm: float = 0.0,
    min_active: int = 1,
    fit_on: Literal["points", "type_means"] = "points",
    token_ids: Array | None = None,
    types: Array | None = None,
    reference: Pca | None = None,
) -> Pca:
    """Fit the principal axes of a cloud: exact, in float64, on all its points.

    The sign of an axis: the member that reaches furthest along it does so upwards; of members
    equally far, the first. With a reference, signs and, among axes of close variances, the order
    are those of the reference (``axes.followed``).

    Parameters
    ----------
    cloud
        May be of no points; then there are no axes.
    n_components
        Axes wanted, at least 1. There are fewer if the points vary in fewer directions.
    centred
        Subtract the mean; else axes are of the second moment about the origin.
    unit
        Give points length one first; points of length zero are left out.
    min_norm, min_active
        Fit only points at least so long, with at least so many members firing.
    fit_on
        ``type_means``: fit the mean points of the token types, each counting once, so that neither
        a frequent type nor a stray token takes an axis.
    token_ids
        int (n,), vocabulary id of each point; needed for ``type_means``.
    types
        The types to fit, for instance a cluster's core tokens; those that have points, if None.
    reference
        Axes of a neighbouring cluster, or of other options; of the same SAE.

    Raises
    ------
    InputError
        If ``n_components`` is below 1, token ids are missing or too few, or the reference is of
        another ``d_model``.
    """
    if n_components < 1:
        raise InputError(f"{n_components} components: ask for at least 1.")
    if reference is not None and reference.basis.shape[1] != cloud.basis.shape[1]:
        raise InputError(
            f"Reference axes of width {reference.basis.shape[1]} for a cloud of width "
            f"{cloud.basis.shape[1]}: take those of a cluster of the same experiment."
        )
    if min_norm > 0 or min_active > 1:
        kept = cloud.kept(min_norm=min_norm, min_active=min_active)
        token_ids = None if token_ids is None else token_ids[kept]
        cloud = cloud.selected(kept)
    moments = _moments(cloud, unit=unit, fit_on=fit_on, token_ids=token_ids, types=types)
    mean, variances, axes = _principal(moments, cloud.coordinates, centred=centred)
    total = float(variances.sum())
    rank = len(variances)
    places = np.arange(min(n_components, rank))
    arrows = cloud.coordinates @ axes.T
    axes = axes * default_signs(arrows)[:, None]
    if reference is not None:
        overlap = axes @ (cloud.basis @ reference.basis.T) @ reference.axes.T
        places, signs = followed(variances, overlap, n_axes=len(places))
        axes[places] *= signs[:, None]
    return Pca(
        mean=mean,
        axes=axes[places],
        variances=variances[places],
        share=variances[places] / total,
        basis=cloud.basis,
        rank=rank,
        n_fitted=moments.n_points,
        unit=unit,
    )


def arrows(cloud: Cloud, pca: Pca) -> Float64Array:
    """Return the members' decoder directions along the axes, float64 (k, c), to draw as arrows.

    The axes may be those of another cluster of the same SAE.
    """
    if cloud.basis is pca.basis:
        return cloud.coordinates @ pca.axes.T
    return cloud.coordinates @ (cloud.basis @ pca.basis.T) @ pca.axes.T


def project(cloud: Cloud, pca: Pca) -> Float32Array:
    """Return the coordinates of all points along the axes, float32 (n, c).

    The axes may be those of another cluster of the same SAE, so that two clouds can be seen in one
    frame. If they were fitted to points of length one, points get that length; points of length
    zero stay at the origin.
    """
    directions = arrows(cloud, pca)
    origin = pca.axes @ pca.mean
    scales = cloud.unit_scales() if pca.unit else None
    found = np.empty((cloud.n_points, pca.n_components), dtype=np.float32)
    for span in cloud.blocks():
        block = cloud.activations[span] @ directions
        if scales is not None:
            block *= scales[span, None]
        found[span] = block - origin
    return found


def _moments(
    cloud: Cloud, *, unit: bool, fit_on: str, token_ids: Array | None, types: Array | None
) -> Moments:
    """Return the moments, in terms of activations, of what is to be fitted."""
    if fit_on == "type_means":
        if token_ids is None:
            raise InputError("Means of token types need the token id of every point.")
        means = type_means(cloud, token_ids, types, unit=unit).activations
        return moments_of(sp.csr_matrix(means))
    if not unit:
        return cloud.moments
    scales = cloud.unit_scales()
    rows = np.flatnonzero(scales)
    activations = cloud.activations[rows].astype(np.float64)
    activations.data *= np.repeat(scales[rows], np.diff(activations.indptr))
    return moments_of(activations)


def _principal(
    moments: Moments, coordinates: Float64Array, *, centred: bool
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Return the mean (r,), positive variances (q,), falling, and their axes (q, r)."""
    n, r = moments.n_points, coordinates.shape[1]
    if n == 0:
        return np.zeros(r), np.zeros(0), np.zeros((0, r))
    mean = moments.sums / n if centred else np.zeros_like(moments.sums)
    second = moments.products / n
    covariance = coordinates.T @ (second - np.outer(mean, mean)) @ coordinates
    variances, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    # No point is longer, in the root mean square, than its members' shares laid end to end.
    size = np.sqrt(second.diagonal()) @ np.linalg.norm(coordinates, axis=1)
    is_real = variances > ROUNDINGS * np.finfo(np.float64).eps * size**2
    return mean @ coordinates, variances[is_real][::-1], vectors[:, is_real].T[::-1]
