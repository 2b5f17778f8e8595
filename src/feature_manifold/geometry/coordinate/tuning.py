"""Tuning curves: how the members of a cluster answer along its coordinate.

A token counts at the place of its type. Its own place would not do: it is made of the very firings
that are to be plotted against it, so that even members that fire at random would look tuned.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feature_manifold.core.arrays import Float64Array, Int64Array
from feature_manifold.core.errors import InputError
from feature_manifold.geometry.cloud import Cloud
from feature_manifold.geometry.coordinate.coordinate import Coordinate

N_PLACES = 24
"""Of a circle or curve."""

N_PLACES_PER_AXIS = 8
"""Of a surface: 64 places."""

FEWEST_TOKENS = 5
"""A place with fewer says nothing about how often a latent fires there."""

RESPONDS = 0.1
"""A latent answers at a place where its mean activation is at least this share of its peak."""

HALF = 0.5
FLAT = 0.75
"""A latent that stays above half of its peak over this share of the places is a hub."""

PEAK_REACH = 1 / 8
"""Share of each axis, to either side of the peak, over which it is averaged."""

PEAK_ROUNDS = 3
"""Of averaging about the last average: the highest place may lie to one side of the peak."""


@dataclass(frozen=True)
class TuningCurves:
    """Answers of k members at b places along a coordinate of ``a`` axes, over core tokens.

    Attributes
    ----------
    latents
        int64 (k,), ascending.
    edges
        For each axis, float64 (places of the axis + 1,).
    centres
        float64 (b, a): mean coordinate of the core types of each place, or its middle if it has
        none. On a surface the second axis runs fastest.
    place
        int64 (n_points,), place of the type of each of the cloud's points; -1 if it is not core.
    counts
        int64 (b,), core tokens at each place.
    mean
        float64 (k, b), mean activation over all core tokens of the place, silent ones as 0.
    firing
        float64 (k, b), share of them on which the latent fires. NaN, like ``mean``, at places with
        fewer than five tokens.
    peak
        float64 (k, a), where the mean activation is highest: its centre of mass over the places up
        to an eighth of the axis away.
    width
        float64 (k,), share of the places at which the mean is at least half of the highest.
    peak_to_mean
        float64 (k,), highest mean over that of all places.
    is_hub
        bool (k,): flat, its ``width`` is 0.75 or more.
    active
        float64 (b,), members, hubs left out, that fire on a token of the place, on average.
    answering
        int64 (b,), members, hubs left out, whose mean is at least a tenth of their highest.
    """

    latents: Int64Array
    edges: tuple[Float64Array, ...]
    centres: Float64Array
    place: Int64Array
    counts: Int64Array
    mean: Float64Array
    firing: Float64Array
    peak: Float64Array
    width: Float64Array
    peak_to_mean: Float64Array
    is_hub: npt.NDArray[np.bool_]
    active: Float64Array
    answering: Int64Array

    @property
    def is_known(self) -> npt.NDArray[np.bool_]:
        """Places with tokens enough, bool (b,)."""
        return self.counts >= FEWEST_TOKENS


def tuning_curves(
    cloud: Cloud, coordinate: Coordinate, *, n_places: int | None = None
) -> TuningCurves:
    """Measure how each member answers along a coordinate.

    Parameters
    ----------
    cloud, coordinate
        A cluster and the coordinate fitted to it.
    n_places
        Bins of each axis, of equal width; None for 24 on a circle or curve and 8 on each axis of a
        surface.

    Raises
    ------
    InputError
        If ``n_places`` is below 2, or the coordinate is of another cloud.
    """
    if len(coordinate.values) != cloud.n_points:
        raise InputError("The coordinate was fitted to another cloud.")
    if n_places is None:
        n_places = N_PLACES if coordinate.n_axes == 1 else N_PLACES_PER_AXIS
    if n_places < 2:
        raise InputError(f"Tuning curves of {n_places} places; 2 are needed at least.")
    edges = tuple(np.linspace(low, high, n_places + 1) for low, high in coordinate.extent)
    of_type = _places(coordinate.type_values, edges)
    place = np.where(coordinate.type_index >= 0, of_type[coordinate.type_index], -1)
    n = n_places**coordinate.n_axes
    counts = np.bincount(place[place >= 0], minlength=n).astype(np.int64)
    sums, fires = sums_by_place(cloud, place, n)
    known = counts >= FEWEST_TOKENS
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, sums / counts, np.nan)
        firing = np.where(known, fires / counts, np.nan)
    centres = _centres(coordinate, edges, of_type)
    level = np.where(known, mean, 0.0)
    top = level.max(axis=1, initial=0)
    n_known = max(int(known.sum()), 1)
    width = ((level >= HALF * top[:, None]) & known & (level > 0)).sum(axis=1) / n_known
    is_hub = width >= FLAT
    answers = (level >= RESPONDS * top[:, None]) & (level > 0)
    return TuningCurves(
        latents=cloud.latents,
        edges=edges,
        centres=centres,
        place=place,
        counts=counts,
        mean=mean,
        firing=firing,
        peak=_peaks(level, centres, edges, coordinate),
        width=width,
        peak_to_mean=top / np.maximum(level.sum(axis=1) / n_known, 1e-300),
        is_hub=is_hub,
        active=firing[~is_hub].sum(axis=0),
        answering=answers[~is_hub].sum(axis=0).astype(np.int64),
    )


def sums_by_place(cloud: Cloud, place: Int64Array, n: int) -> tuple[Float64Array, Float64Array]:
    """Return summed activations and numbers of firings of each member at each place, (k, n)."""
    activations = cloud.activations
    k = activations.shape[1]
    of_firing = np.repeat(place, np.diff(activations.indptr))
    inside = of_firing >= 0
    cell = activations.indices[inside].astype(np.int64) * n + of_firing[inside]
    sums = np.bincount(cell, weights=activations.data[inside], minlength=k * n)
    fires = np.bincount(cell, minlength=k * n)
    return sums.astype(np.float64).reshape(k, n), fires.astype(np.float64).reshape(k, n)


def _places(values: Float64Array, edges: tuple[Float64Array, ...]) -> Int64Array:
    """Return the bin of each coordinate (m, a), int64 (m,)."""
    place = np.zeros(len(values), dtype=np.int64)
    for axis, edge in enumerate(edges):
        n = len(edge) - 1
        step = max(float(edge[-1] - edge[0]) / n, 1e-300)
        bins = np.floor((values[:, axis] - edge[0]) / step).astype(np.int64)
        place = place * n + np.clip(bins, 0, n - 1)
    return place


def _centres(
    coordinate: Coordinate, edges: tuple[Float64Array, ...], of_type: Int64Array
) -> Float64Array:
    """Return the mean coordinate of each place's types, float64 (b, a)."""
    middles = np.meshgrid(*((edge[1:] + edge[:-1]) / 2 for edge in edges), indexing="ij")
    centres = np.stack([middle.ravel() for middle in middles], axis=1)
    counts = np.bincount(of_type, minlength=len(centres))
    for axis, values in enumerate(coordinate.type_values.T):
        sums = np.bincount(of_type, weights=values, minlength=len(centres))
        centres[:, axis] = np.where(counts > 0, sums / np.maximum(counts, 1), centres[:, axis])
    return centres


def _peaks(
    level: Float64Array,
    centres: Float64Array,
    edges: tuple[Float64Array, ...],
    coordinate: Coordinate,
) -> Float64Array:
    """Return where each member's curve (k, b) is highest, float64 (k, a)."""
    reach = PEAK_REACH * np.array([edge[-1] - edge[0] for edge in edges])
    peak: Float64Array = centres[level.argmax(axis=1)]
    for _ in range(PEAK_ROUNDS):
        away = coordinate.apart(centres[None], peak[:, None])
        weight = level * (np.abs(away) <= reach).all(axis=2)
        total = np.maximum(weight.sum(axis=1), 1e-300)
        peak = peak + (weight[:, :, None] * away).sum(axis=1) / total[:, None]
    return np.where(coordinate.periodic, peak % (2 * np.pi), peak)
