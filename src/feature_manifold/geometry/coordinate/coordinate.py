"""The fitted coordinate of a cluster: an angle, an arc length or two coordinates for each token."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from feature_manifold.core.arrays import Array, Float64Array, Int64Array
from feature_manifold.core.errors import InputError
from feature_manifold.core.rng import generator
from feature_manifold.geometry.cloud import Cloud
from feature_manifold.geometry.coordinate.choice import KINDS, Shape, choose
from feature_manifold.geometry.coordinate.frame import Frame, common_types, fit_frame, type_index
from feature_manifold.geometry.means import type_means

MOST_FITTED = 256
"""Token types that a shape is fitted to; of more, so many are drawn. All are placed on it."""


@dataclass(frozen=True)
class Coordinate:
    """A shape fitted to the core token types of a cluster, and where everything lies on it.

    Angles are radians in [0, 2 pi); arc lengths and sheet coordinates are in the cloud's units
    (activation times length of decoder row). Two fixed directions of the model's space, the same
    for all clusters of a model, decide what the data leave open, so that the same input gives the
    same bytes and a small edit of the cluster a small change. The angle is 0 where the circle
    reaches furthest along the first one, and grows towards the side of the second. A curve runs
    towards the first and starts at the outermost core type; tokens up to a tenth of its length
    beyond an end are placed on its straight extension. On a sheet, u points along the first and v
    lies across, to the side of the second; both are 0 at the mean of the core types.

    Attributes
    ----------
    kind
        ``circle``, ``curve`` or ``surface``.
    periodic
        For each of the ``a`` axes, whether its coordinate is an angle: one for a circle or curve,
        two for a surface (none on a sheet, both on a torus).
    extent
        float64 (a, 2), lowest and highest value: 0 and 2 pi of an angle, else of the core types.
    values
        float64 (n_points, a).
    distance
        float64 (n_points,), of each point from the fit, in all dimensions.
    types
        int64 (m,), core token types, ascending.
    type_values, type_distance
        float64 (m, a) and (m,), the same for the mean of each.
    type_index
        int64 (n_points,), the place of each point's type in ``types``, -1 if it is not core.
    gains
        By kind, nats a type by which its best fit is likelier than a box of the same spread, times
        the share of the variance on its axes; see ``choice``. The greatest was taken unless
        another was asked for or a rule there says otherwise.
    explained
        Share of the core types' variance, in all dimensions, that the fit explains; 1 if all lie
        on it.
    shape, frame
        The fit, and the principal axes in which it lies.
    """

    kind: str
    periodic: tuple[bool, ...]
    extent: Float64Array
    values: Float64Array
    distance: Float64Array
    types: Int64Array
    type_values: Float64Array
    type_distance: Float64Array
    type_index: Int64Array
    gains: Mapping[str, float]
    explained: float
    shape: Shape
    frame: Frame

    @property
    def n_axes(self) -> int:
        """Coordinates of a point: 1, or 2 on a surface."""
        return len(self.periodic)

    def apart(self, one: Float64Array, other: Float64Array) -> Float64Array:
        """Return the difference of coordinates (.., a), the short way round where one closes."""
        difference = one - other
        return np.where(self.periodic, (difference + np.pi) % (2 * np.pi) - np.pi, difference)


def fit_coordinate(
    cloud: Cloud,
    token_ids: Array,
    *,
    core_types: Array | None = None,
    kind: str | None = None,
    seed: int,
) -> Coordinate:
    """Fit a circle, curve or surface to a cluster, and place every token on it.

    The shape is fitted to the means of the core token types, in their leading principal
    components: each type counts once, whatever its frequency.

    Parameters
    ----------
    cloud
        Of n points.
    token_ids
        int (n,), vocabulary id of each point.
    core_types
        Vocabulary ids of the core token types (``clusters.core.core_tokens``), in any order; those
        without points are left out. None: those that are frequent and strong in the cloud.
    kind
        ``circle``, ``curve`` or ``surface``; None to choose, without labels, the kind that makes
        left-out types likeliest.
    seed
        Of the types that are drawn where there are more than ``MOST_FITTED``.

    Raises
    ------
    InputError
        If the kind is unknown or cannot be fitted, there is not one token id per point, or there
        are fewer than three core types.
    """
    if kind is not None and kind not in KINDS:
        raise InputError(f"'{kind}' is not one of {', '.join(KINDS)}.")
    if len(token_ids) != cloud.n_points:
        raise InputError(f"{len(token_ids):,} token ids for a cloud of {cloud.n_points:,} points.")
    ids = np.asarray(token_ids, dtype=np.int64)
    wanted = common_types(cloud, ids) if core_types is None else np.unique(core_types)
    found = type_means(cloud, ids, wanted)
    fitted = found.means
    if len(fitted) > MOST_FITTED:
        rng = generator(seed, "coordinate", "types")
        fitted = fitted[np.sort(rng.permutation(len(fitted))[:MOST_FITTED])]
    frame = fit_frame(fitted, cloud.basis)
    chosen, gains = choose(fitted, frame, kind)
    type_values, type_distance = _located(found.means, chosen.frame, chosen.shape)
    values = np.empty((cloud.n_points, type_values.shape[1]))
    distance = np.empty(cloud.n_points)
    for span in cloud.blocks():
        points = np.asarray(cloud.activations[span] @ cloud.coordinates)
        values[span], distance[span] = _located(points, chosen.frame, chosen.shape)
    spread = float(((found.means - frame.mean) ** 2).sum())
    periodic = chosen.shape.periodic
    reach = np.stack([type_values.min(axis=0), type_values.max(axis=0)], axis=1)
    return Coordinate(
        kind=chosen.shape.kind,
        periodic=periodic,
        extent=np.where(np.array(periodic)[:, None], np.array([0.0, 2 * np.pi]), reach),
        values=values,
        distance=distance,
        types=found.types,
        type_values=type_values,
        type_distance=type_distance,
        type_index=type_index(ids, found.types),
        gains=gains,
        explained=1 - float((type_distance**2).sum()) / max(spread, 1e-300),
        shape=chosen.shape,
        frame=chosen.frame,
    )


def _located(points: Float64Array, frame: Frame, shape: Shape) -> tuple[Float64Array, Float64Array]:
    """Return the coordinates of points (n, r) and their distances from the fit, in all r."""
    seen = frame.project(points)
    values, at = shape.locate(seen)
    beyond = ((points - frame.mean) ** 2).sum(axis=1) - (seen**2).sum(axis=1)
    return values, np.sqrt(np.maximum(beyond, 0) + ((seen - at) ** 2).sum(axis=1))
