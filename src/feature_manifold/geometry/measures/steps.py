"""The steps of a concept in a cloud: seven weekdays, a hundred years, and the points on each."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from feature_manifold.core.arrays import Array, Float64Array, Int64Array
from feature_manifold.geometry.measures.planes import MOST_COMPONENTS, Principal, principal_of

MOST_STEPS = 200
N_BINS = 100
"""Coordinates of more than so many values, which are then of points rather than of words, are cut
into bins of as many points each."""


@dataclass(frozen=True)
class Steps:
    """Mean and scatter of the points on each step of a concept.

    Attributes
    ----------
    values
        float64 (s,), rising.
    means
        float64 (s, r), mean reconstructions.
    components
        float64 (s, c), the means in their own leading principal components, each step weighing the
        same; c at most 5.
    scatters
        float64 (s, c, c), covariance of the points on each step in these components.
    """

    values: Float64Array
    means: Float64Array
    components: Float64Array
    scatters: Float64Array

    def permuted(self, order: Int64Array) -> "Steps":
        """Return steps whose values have been dealt to other steps."""
        return Steps(self.values, self.means[order], self.components[order], self.scatters[order])

    def moved(self, means: Float64Array) -> "Steps":
        """Return steps with other means (s, r), in components of theirs, and the same scatter."""
        found = principal_of(means)
        components = np.zeros_like(self.components)
        axes = found.axes[: components.shape[1]]
        components[:, : len(axes)] = (means - found.mean) @ axes.T
        return Steps(self.values, means, components, self.scatters)


@dataclass(frozen=True)
class StepPoints:
    """Points of a cloud, each on a step.

    Attributes
    ----------
    activations
        (n, k), CSR.
    coordinates
        float64 (k, r), of the members.
    slots
        int64 (n,), step of each point; every step has one.
    values
        float64 (s,), rising.
    """

    activations: sp.csr_matrix
    coordinates: Float64Array
    slots: Int64Array
    values: Float64Array

    def steps(self, weights: Array | None = None) -> Steps:
        """Return mean and scatter of each step; components are those of the unweighted means.

        Parameters
        ----------
        weights
            float64 (n,), positive; all alike if None.
        """
        n = len(self.slots)
        pick = sp.csr_matrix(
            (np.ones(n) if weights is None else weights, (self.slots, np.arange(n))),
            shape=(len(self.values), n),
        )
        totals = np.asarray(pick.sum(axis=1))
        means = (pick @ self.activations).toarray() / totals @ self.coordinates
        c = self._axes.shape[0]
        components = (means - self._principal.mean) @ self._axes.T
        second = (pick @ self._products / totals).reshape(-1, c, c)
        scatters = second - components[:, :, None] * components[:, None, :]
        return Steps(self.values, means, components, scatters)

    @cached_property
    def _principal(self) -> Principal:
        n = len(self.slots)
        pick = sp.csr_matrix((np.ones(n), (self.slots, np.arange(n))), (len(self.values), n))
        counts = np.bincount(self.slots)[:, None]
        return principal_of((pick @ self.activations).toarray() / counts @ self.coordinates)

    @property
    def _axes(self) -> Float64Array:
        return self._principal.axes[:MOST_COMPONENTS]

    @cached_property
    def _products(self) -> Float64Array:
        """Products of each point's components, float64 (n, c * c)."""
        directions = self.coordinates @ self._axes.T
        points = self.activations @ directions - self._principal.mean @ self._axes.T
        products: Float64Array = points[:, :, None] * points[:, None, :]
        return products.reshape(len(points), -1)


def steps_of_values(values: Float64Array) -> tuple[Int64Array, Float64Array]:
    """Return the step of each point, int64 (n,), and the value of each step, float64 (s,), rising.

    Parameters
    ----------
    values
        float64 (n,), not NaN. Of more than 200 different ones, about as many points each are put
        together into 100 bins, whose value is the mean.
    """
    different, slots = np.unique(values, return_inverse=True)
    if len(different) > MOST_STEPS:
        rank = np.argsort(np.argsort(values, kind="stable"), kind="stable")
        slots = rank * N_BINS // len(values)
        different = np.bincount(slots, weights=values) / np.bincount(slots)
    return slots.astype(np.int64), different
