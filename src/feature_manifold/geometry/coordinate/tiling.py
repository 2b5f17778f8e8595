"""Whether a cluster's latents tile its coordinate, span it, or are a dilution of both.

Bhalla et al. (2026), arXiv 2604.28119: a dictionary captures a manifold *globally*, by a compact
group of atoms whose span holds all of it, or by *tiling*, each atom on a stretch of its own; what
they find in trained models is often neither, *dilution*. Michaud, Gorton and McGrath (2025), arXiv
2509.02565, ask how many latents go into tiling. That two or three are active at a point, and that
neighbours overlap, is what Gurnee et al. (2025) saw along a character count. These works give no
thresholds for a verdict; those here are ours.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from feature_manifold.core.arrays import Float64Array
from feature_manifold.core.rng import generator
from feature_manifold.geometry.cloud import Cloud
from feature_manifold.geometry.coordinate.coordinate import Coordinate
from feature_manifold.geometry.coordinate.dealing import (
    dealt_firings,
    dealt_profiles,
    locality,
    resampled,
)
from feature_manifold.geometry.coordinate.tuning import TuningCurves
from feature_manifold.geometry.measures.resampling import interval
from feature_manifold.geometry.measures.results import Measured, null_of

Verdict = Literal["tiling", "global", "dilution"]
VERDICTS: tuple[Verdict, ...] = ("tiling", "global", "dilution")

ON_AN_ARC = {True: 1 / 3, False: 1 / 2}
"""Least tiling, where all axes close and where one does not: that of members which fire on half of
the coordinate each."""

COVERED = 0.9
"""Least share of the places at which a member of the tiling fires on a token, on average."""

OVERLAPPING = 2 / 3
"""Least share of neighbouring pairs that overlap."""

OVERLAP = 0.1
"""Least share of the lesser one's firing that two overlapping curves have in common."""

SIGNIFICANT = 0.05
"""Largest p of the tiling, against both nulls."""

PER_AXIS = 2
"""A compact group has so many atoms for each axis of the span at most: one each way."""

DENSE = 0.4
"""Least share of a compact group's atoms that fire on a token."""


@dataclass(frozen=True)
class Tiling:
    """How the members of a cluster share its coordinate, and the verdict on it.

    Attributes
    ----------
    tiling
        1 - mean width of the members' firing along the coordinate, hubs left out, each weighted by
        how much it fires; the width is 1 if it is flat and about w on a stretch of share w
        (`dealing.locality`). Evidence is high. Null ``shuffle``: every member's firings are dealt
        to the core tokens at random. Null ``types``: every member's tuning is dealt to the core
        types at random, and the map of the types made anew; it keeps how choosy members are and
        that types are core, and destroys that they choose neighbours; p is 1 where members never
        meet. The interval is of a bootstrap of twenty stretches of the corpus. NaN without a member
        that is no hub.
    coverage
        Share of the places at which a token fires one of them or more, on average.
    active
        How many of them fire on a token: mean over the places.
    overlap
        Share of pairs of neighbours that overlap: of each member and the next one on either side
        (the nearest one, on a surface) whose peak is a place or more away. NaN if there is none.
    n_members
        Members that are no hubs and fire on core tokens.
    n_hubs
        Members that are flat.
    n_span
        Principal axes of the fit.
    verdict
        ``global`` if there are two members an axis at most, hubs included, and two fifths of them
        fire on a token on average; else ``tiling`` if tiling, its ps, coverage and overlap all
        pass; else ``dilution``.
    """

    tiling: Measured
    coverage: float
    active: float
    overlap: float
    n_members: int
    n_hubs: int
    n_span: int
    verdict: Verdict


def measure_tiling(
    cloud: Cloud,
    coordinate: Coordinate,
    curves: TuningCurves,
    *,
    seed: int,
    rounds: int = 199,
    resamples: int = 100,
) -> Tiling:
    """Measure how members share a coordinate.

    Parameters
    ----------
    cloud, coordinate, curves
        A cluster, its coordinate and its tuning curves.
    seed
        Of the nulls and the bootstrap.
    rounds, resamples
        Draws from each null, and samples behind the interval.
    """
    known = curves.is_known
    firing = curves.firing[:, known]
    tiles = ~curves.is_hub & (firing.sum(axis=1) > 0)
    measured = Measured(float("nan"))
    if tiles.any():
        measured = _measured(cloud, coordinate, curves, tiles, seed, rounds, resamples)
    active = firing[tiles].sum(axis=0)
    coverage = float((active >= 1).mean()) if known.any() else 0.0
    overlap = _overlap(curves, coordinate, tiles)
    n_span, k = coordinate.frame.n_axes, len(curves.latents)
    is_dense = known.any() and float(firing.sum(axis=0).mean()) >= DENSE * k
    verdict: Verdict = "dilution"
    if k <= PER_AXIS * n_span and is_dense:
        verdict = "global"
    elif (
        measured.value >= ON_AN_ARC[all(coordinate.periodic)]
        and all(null.p <= SIGNIFICANT for null in measured.nulls.values())
        and coverage >= COVERED
        and overlap >= OVERLAPPING
    ):
        verdict = "tiling"
    return Tiling(
        tiling=measured,
        coverage=coverage,
        active=float(active.mean()) if known.any() else 0.0,
        overlap=overlap,
        n_members=int(tiles.sum()),
        n_hubs=int(curves.is_hub.sum()),
        n_span=n_span,
        verdict=verdict,
    )


def _measured(
    cloud: Cloud,
    coordinate: Coordinate,
    curves: TuningCurves,
    tiles: npt.NDArray[np.bool_],
    seed: int,
    rounds: int,
    resamples: int,
) -> Measured:
    names = ("coordinate", "tiling", *map(str, cloud.latents.tolist()))
    known = curves.is_known
    apart = distances(curves.centres[known], coordinate)
    n_axes = coordinate.n_axes
    value = float(locality(curves.firing[tiles][:, known], apart, n_axes=n_axes))
    counts = curves.counts[known]
    fires = np.round(curves.firing[tiles][:, known] * counts).astype(np.int64)
    rng = generator(seed, *names, "shuffle")
    draws = locality(dealt_firings(fires, counts, rounds, rng) / counts, apart, n_axes=n_axes)
    nulls = {"shuffle": null_of(value, draws, "high")}
    observed, draws = dealt_profiles(cloud, coordinate, rounds, generator(seed, *names, "types"))
    nulls["types"] = null_of(observed, draws, "high")
    rng = generator(seed, *names, "blocks")
    samples = np.array(
        [
            float(locality(sample[tiles][:, known], apart, n_axes=n_axes))
            for sample in resampled(cloud, curves, resamples, rng)
        ]
    )
    low, high = interval(value, samples, scale=1.0, low=None, high=1.0)
    return Measured(value, low, high, nulls)


def distances(places: Float64Array, coordinate: Coordinate) -> Float64Array:
    """Return distances between places (b, a) along a coordinate, float64 (b, b).

    Each axis counts as a share of its extent, so that on a surface neither outweighs the other.
    """
    span = np.maximum(coordinate.extent[:, 1] - coordinate.extent[:, 0], 1e-300)
    apart = coordinate.apart(places[:, None], places[None]) / span
    found: Float64Array = np.linalg.norm(apart, axis=2)
    return found


def _overlap(curves: TuningCurves, coordinate: Coordinate, tiles: npt.NDArray[np.bool_]) -> float:
    """Return the share of neighbours that overlap: see ``Tiling``."""
    if not tiles.any():
        return float("nan")
    peak, firing = curves.peak[tiles], curves.firing[tiles][:, curves.is_known]
    steps = np.array([edge[1] - edge[0] for edge in curves.edges])
    away = coordinate.apart(peak[None], peak[:, None]) / steps
    far = np.abs(away).max(axis=2)
    pairs = []
    sides = [away[..., 0] > 0, away[..., 0] < 0] if coordinate.n_axes == 1 else [far > 0]
    for side in sides:
        distance = np.where(side & (far >= 1), far, np.inf)
        nearest = distance.argmin(axis=1)
        has = np.isfinite(distance.min(axis=1))
        pairs.append(np.stack([np.flatnonzero(has), nearest[has]]))
    one, other = np.concatenate(pairs, axis=1)
    if not len(one):
        return float("nan")
    shared = np.minimum(firing[one], firing[other]).sum(axis=1)
    lesser = np.minimum(firing[one].sum(axis=1), firing[other].sum(axis=1))
    return float((shared >= OVERLAP * lesser).mean())
