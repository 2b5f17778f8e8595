"""Figures of clouds and coordinates: what is drawn, and in which colours."""

from collections.abc import Sequence

import numpy as np

from feature_manifold.core.arrays import Array, Float64Array, Int64Array
from feature_manifold.core.concepts import Concept
from feature_manifold.core.errors import InputError
from feature_manifold.export.figures.colours import (
    apart_colours,
    circle_colours,
    line_colours,
    sheet_colours,
)
from feature_manifold.export.figures.curves import tuning_figure
from feature_manifold.export.figures.drawing import Drawing
from feature_manifold.export.figures.planes import Categories, planes_figure
from feature_manifold.geometry.coordinate.coordinate import Coordinate
from feature_manifold.geometry.means import type_means
from feature_manifold.geometry.pca import Pca, project
from feature_manifold.geometry.sampling import display_sample
from feature_manifold.notebook.cloud import Cloud
from feature_manifold.notebook.coordinate import SEED, FittedCoordinate

MOST_PLANES = 3
MOST_SINGLE_TYPES = 36
"""Token types that are drawn each by itself along a coordinate."""

LEAST_CORE = 3
"""Fewer core tokens give no axes worth drawing, and no coordinate."""


def cloud_figure(
    cloud: Cloud,
    *,
    planes: Sequence[tuple[int, int]] | None,
    concept: Concept | None,
    max_points: int,
    title: str | None,
) -> Drawing:
    """Draw a cloud; see ``Cloud.plot``."""
    wanted = 1 + max((axis for plane in planes or () for axis in plane), default=MOST_PLANES)
    axes = _axes(cloud, max(2, wanted))
    if axes.n_components < 2:
        raise InputError(
            f"The points vary along {axes.n_components} axes: a plane needs two. Add latents."
        )
    if planes is None:
        planes = [(axis, axis + 1) for axis in range(min(MOST_PLANES, axes.n_components - 1))]
    points = project(cloud.exact, axes)
    sample = display_sample(cloud.exact, max_points, SEED)
    types, colours = _coloured_types(cloud, concept)
    place = _places(cloud.token_ids, types)
    known = cloud.experiment.texts(types)
    name = "" if concept is None else f"{concept.name}: "
    grey = "other tokens" if concept is None else f"not {concept.name}"
    others = f", grey: {grey}" if (place < 0).any() else ""
    fitted = f"{axes.n_fitted:,} {'points' if axes.n_fitted == cloud.n_points else 'token types'}"
    return planes_figure(
        points[sample.rows],
        axes.share,
        Categories(place[sample.rows], known, colours, _means(points, place, len(types))),
        planes=planes,
        title=f"{name}{len(cloud.latents)} latents" if title is None else title,
        note=f"{sample.n_shown:,} of {sample.n_points:,} points, axes fitted to {fitted}{others}",
    )


def tuning_drawing(coordinate: FittedCoordinate) -> Drawing:
    """Draw the tuning curves of a cluster along a circle or a curve, coloured by their peaks.

    A few token types are drawn each at its place, many in bins.
    """
    fit, curves = coordinate.fit, coordinate.tuning
    closes = fit.periodic[0]
    unit = 180 / np.pi if closes else 1.0
    at_types = unit * fit.type_values[:, 0]
    texts = coordinate.cloud.experiment.texts(fit.types)
    if len(fit.types) <= MOST_SINGLE_TYPES:
        cloud = coordinate.cloud
        order = np.argsort(at_types, kind="stable")
        means = type_means(cloud.exact, cloud.token_ids, fit.types).activations[order].T
        places = at_types[order]
    else:
        means, places = curves.mean[:, curves.is_known], unit * curves.centres[curves.is_known, 0]
    by_peak = np.argsort(curves.peak[:, 0], kind="stable")
    return tuning_figure(
        places,
        means[by_peak],
        curves.latents[by_peak].tolist(),
        colours=coordinate_colours(fit, curves.peak[by_peak]),
        coordinate="tokens by their angle" if closes else "tokens by their place on the curve",
        period=360.0 if closes else None,
        ticks=list(zip(at_types.tolist(), texts, strict=True)),
        title=f"{len(by_peak)} latents along a {fit.kind}",
    )


def _axes(cloud: Cloud, n: int) -> Pca:
    """Fit axes to the means of the core tokens; to all points, if those lie in no plane."""
    if len(cloud.core) >= LEAST_CORE:
        axes = cloud.pca(n, fit_on="core").axes
        if axes.n_components >= 2:
            return axes
    return cloud.pca(n).axes


def _coloured_types(cloud: Cloud, concept: Concept | None) -> tuple[Int64Array, Float64Array]:
    """Return the token types that get a colour, in an order, int64 (m,), and colours (m, 3)."""
    if concept is not None:
        match = cloud.experiment.search_index.match(concept)
        is_there = np.isin(match.token_ids, cloud.token_ids)
        values = concept.values[match.steps[is_there]]
        order = np.argsort(values, kind="stable")
        types, values = match.token_ids[is_there][order], values[order]
        if concept.period is not None:
            return types, circle_colours(2 * np.pi * values / concept.period)
        return types, line_colours(_unit(values))
    if len(cloud.core) < LEAST_CORE:
        return cloud.core, apart_colours(len(cloud.core))
    found = cloud.coordinate().fit
    order = np.argsort(found.type_values[:, 0], kind="stable")
    return found.types[order], coordinate_colours(found, found.type_values[order])


def coordinate_colours(found: Coordinate, values: Float64Array) -> Float64Array:
    """Return colours of places on a coordinate, values float64 (m, a), sRGB float64 (m, 3)."""
    if found.periodic[0]:
        return circle_colours(values[:, 0])
    low, high = found.extent.T
    places = np.clip((values - low) / np.maximum(high - low, 1e-300), 0, 1)
    return line_colours(places[:, 0]) if found.n_axes == 1 else sheet_colours(places)


def _unit(values: Array) -> Float64Array:
    """Map values to [0, 1]."""
    if not len(values):
        return np.zeros(0)
    return np.asarray((values - values.min()) / max(float(np.ptp(values)), 1e-300))


def _places(token_ids: Int64Array, types: Int64Array) -> Int64Array:
    """Return the place of each token id among the types, int64 (n,), -1 for none."""
    if not len(types):
        return np.full(len(token_ids), -1, dtype=np.int64)
    order = np.argsort(types)
    at = np.minimum(np.searchsorted(types[order], token_ids), len(types) - 1)
    return np.where(types[order][at] == token_ids, order[at], -1)


def _means(points: Array, place: Int64Array, n_types: int) -> Float64Array:
    """Return the mean point of each type, float64 (n_types, c)."""
    known = place >= 0
    counts = np.bincount(place[known], minlength=n_types)
    sums = [
        np.bincount(place[known], weights=column, minlength=n_types) for column in points[known].T
    ]
    return np.stack(sums, axis=1) / counts[:, None]
