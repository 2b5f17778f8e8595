"""Members of a cluster that do nothing for its coordinate."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from feature_manifold.core.arrays import Array, Float64Array, Int64Array
from feature_manifold.geometry.cloud import Cloud
from feature_manifold.geometry.clusters.core import STRONGLY, reference_mass
from feature_manifold.geometry.coordinate.coordinate import Coordinate

FIRES_ON_CORE = 0.5
"""A member that fires on this share of the core tokens holds them together, though it moves none
relative to the others: a hub is no impostor."""

STILL = 0.05
"""A member is an impostor if no core type moves further without it, of the types' RMS radius."""

STANDARD_ERRORS = 3.0
"""A movement counts if it is larger than so many of its own standard errors."""


@dataclass(frozen=True)
class Influence:
    """What the fit would lose without one member, the shape being kept.

    Attributes
    ----------
    latent
        The member.
    moves
        Furthest that the mean of a core type moves, relative to the others', of their RMS radius.
        Movements within three standard errors are none.
    shift
        Furthest that the coordinate of a core type changes: radians, or share of the extent.
    explained
        By how much the share of the core types' variance that the fit explains, in its axes, falls;
        below 0 if it rises.
    on_core
        Share of the core tokens on which the member fires.
    of_own
        Share of the member's firings that are on core tokens.
    n_own_types
        Core types that would no longer be strong enough to be core: it brought them along.
    is_impostor
        ``moves`` is below 0.05 and ``on_core`` below a half: neither coordinate nor explained
        variance would change.
    """

    latent: int
    moves: float
    shift: float
    explained: float
    on_core: float
    of_own: float
    n_own_types: int
    is_impostor: bool


def influences(cloud: Cloud, coordinate: Coordinate) -> tuple[Influence, ...]:
    """Return what each member does for the coordinate that was fitted to a cluster, least first."""
    frame, shape = coordinate.frame, coordinate.shape
    means, errors = _means_by_type(cloud, coordinate.type_index, len(coordinate.types))
    points = means @ cloud.coordinates
    radius = max(float(np.sqrt(((points - points.mean(axis=0)) ** 2).sum(axis=1).mean())), 1e-300)
    # (k, m): what each member adds to each type, along its decoder row.
    extra = (means - means.mean(axis=0)).T
    sure = np.abs(extra) > STANDARD_ERRORS * errors.T
    moves = np.where(sure, np.abs(extra), 0).max(axis=1)
    moves *= np.linalg.norm(cloud.coordinates, axis=1) / radius
    seen = frame.project(points)
    without = seen - extra[:, :, None] * (cloud.coordinates @ frame.axes.T)[:, None, :]
    k, m, c = without.shape
    values, at = shape.locate(without.reshape(k * m, c))
    moved = coordinate.apart(values.reshape(k, m, -1), coordinate.type_values)
    span = np.where(coordinate.periodic, 1.0, coordinate.extent[:, 1] - coordinate.extent[:, 0])
    shift = (np.abs(moved) / np.maximum(span, 1e-300)).max(axis=(1, 2))
    lost = _explained(seen, shape.locate(seen)[1]) - _explained(without, at.reshape(k, m, c))
    on_core, of_own = _firing_shares(cloud, coordinate)
    own = _own_types(cloud, means)
    is_impostor = (moves < STILL) & (on_core < FIRES_ON_CORE)
    return tuple(
        Influence(
            int(cloud.latents[at]),
            float(moves[at]),
            float(shift[at]),
            float(lost[at]),
            float(on_core[at]),
            float(of_own[at]),
            int(own[at]),
            bool(is_impostor[at]),
        )
        for at in np.argsort(moves, kind="stable").tolist()
    )


def _means_by_type(
    cloud: Cloud, type_index: Int64Array, m: int
) -> tuple[Float64Array, Float64Array]:
    """Return each member's mean activation on each type, (m, k), and its standard error.

    On a type where it never fires, or seldom, the spread within all types counts: a member that
    fires at random has no less error there than elsewhere.
    """
    core = np.flatnonzero(type_index >= 0)
    types = type_index[core]
    counts = np.bincount(types, minlength=m)[:, None]
    pick = sp.csr_matrix((np.ones(len(core)), (types, core)), shape=(m, cloud.n_points))
    means = (pick @ cloud.activations).toarray() / counts
    squares = (pick @ cloud.activations.multiply(cloud.activations)).toarray() / counts
    spread = np.maximum(squares - means**2, 0)
    spread = np.maximum(spread, (spread * counts).sum(axis=0) / counts.sum())
    return means, np.sqrt(spread / np.maximum(counts - 1, 1))


def _explained(seen: Array, at: Array) -> Float64Array:
    """Return 1 - squared distances (.., m, c) from the fit over the types' variance."""
    spread = ((seen - seen.mean(axis=-2, keepdims=True)) ** 2).sum(axis=(-1, -2))
    explained: Float64Array = 1 - ((seen - at) ** 2).sum(axis=(-1, -2)) / np.maximum(spread, 1e-300)
    return explained


def _firing_shares(cloud: Cloud, coordinate: Coordinate) -> tuple[Float64Array, Float64Array]:
    core = coordinate.type_index >= 0
    k = len(cloud.latents)
    of_firing = np.repeat(core, np.diff(cloud.activations.indptr))
    columns = cloud.activations.indices
    inside = np.bincount(columns[of_firing], minlength=k)
    total = np.bincount(columns, minlength=k)
    return inside / max(int(core.sum()), 1), inside / np.maximum(total, 1)


def _own_types(cloud: Cloud, means: Float64Array) -> Int64Array:
    mass = np.asarray(cloud.activations.sum(axis=1), dtype=np.float64).ravel()
    others = means.sum(axis=1, keepdims=True) - means
    weak: Int64Array = (others < STRONGLY * reference_mass(mass)).sum(axis=0)
    return weak
