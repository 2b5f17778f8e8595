"""The leading principal components of a cluster's token types, and which way is which in them."""

from dataclasses import dataclass

import numpy as np

from feature_manifold.core.arrays import Array, Float64Array, Int64Array
from feature_manifold.core.errors import InputError
from feature_manifold.core.rng import generator
from feature_manifold.geometry.cloud import Cloud
from feature_manifold.geometry.clusters.core import STRONGLY, reference_mass

FEWEST_TYPES = 3
MOST_AXES = 4
"""A circle needs two axes, a torus four."""

SAME = 1e-9
"""Differences of this share are none."""

LEAST_RATIO = 1 / 3
"""A third or fourth axis is one of the shape's if it has this much of the first one's variance."""

FEWEST_POINTS = 8
"""Without a corpus to say which types are core: types of so many points in the cloud."""


@dataclass(frozen=True)
class Frame:
    """Where shapes are fitted: the leading principal components of the means of core token types.

    Each type counts once, so that neither a frequent nor a stray token takes an axis.

    Attributes
    ----------
    mean
        float64 (r,), mean of the type means, in the cloud's basis.
    axes
        float64 (c, r), orthonormal; c is 1 to 4.
    share
        float64 (c,), each axis' share of the type means' variance.
    compass
        float64 (2, c), two fixed directions of the model's space, seen in the frame: they say where
        zero is and which way is up, whatever the signs of the axes.
    """

    mean: Float64Array
    axes: Float64Array
    share: Float64Array
    compass: Float64Array

    @property
    def n_axes(self) -> int:
        """Number of axes, c."""
        return len(self.axes)

    def part(self, axes: tuple[int, ...]) -> "Frame":
        """Return the frame of some axes."""
        chosen = list(axes)
        return Frame(self.mean, self.axes[chosen], self.share[chosen], self.compass[:, chosen])

    def project(self, points: Float64Array) -> Float64Array:
        """Return points (n, r) in the frame, float64 (n, c)."""
        placed: Float64Array = (points - self.mean) @ self.axes.T
        return placed


def fit_frame(means: Float64Array, basis: Float64Array) -> Frame:
    """Fit a frame to the means (m, r) of token types in a basis (r, d_model).

    Raises
    ------
    InputError
        If there are fewer than three types, or all are in one place.
    """
    if len(means) < FEWEST_TYPES:
        raise InputError(
            f"A coordinate needs {FEWEST_TYPES} core token types at least, and there are "
            f"{len(means)}. Add latents that fire on more words."
        )
    mean = means.mean(axis=0)
    _, scale, axes = np.linalg.svd(means - mean, full_matrices=False)
    variance = scale**2
    if variance.sum() <= SAME**2 * (means**2).sum():
        raise InputError(
            f"The {len(means)} core token types of this cluster are all in one place: there is "
            "nothing along which to order them. Add latents that tell them apart."
        )
    share = variance / variance.sum()
    n_axes = min(int((share > SAME).sum()), MOST_AXES)
    axes = axes[:n_axes]
    # Not of the seed: the way up is the same in every request.
    fixed = generator(0, "coordinate", "compass").standard_normal((2, basis.shape[1]))
    return Frame(mean, axes, share[:n_axes], (fixed @ basis.T) @ axes.T)


def common_types(cloud: Cloud, token_ids: Array) -> Int64Array:
    """Return the token types on which a cluster fires strongly, by the cloud alone, int64 (m,).

    It cannot know on which other tokens of a type the cluster is silent;
    ``clusters.core.core_tokens`` does, and is to be preferred.
    """
    mass = np.asarray(cloud.activations.sum(axis=1), dtype=np.float64).ravel()
    known = token_ids >= 0
    counts = np.bincount(token_ids[known])
    sums = np.bincount(token_ids[known], weights=mass[known])
    strong = sums > STRONGLY * reference_mass(mass) * counts
    return np.flatnonzero((counts >= FEWEST_POINTS) & strong)


def type_index(token_ids: Array, types: Int64Array) -> Int64Array:
    """Return the place of each token's type among ascending ``types``, -1 if it is none."""
    place = np.minimum(np.searchsorted(types, token_ids), len(types) - 1)
    return np.where(types[place] == token_ids, place, -1)
