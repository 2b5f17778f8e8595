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

from feature_manifold.core.arrays import Float64Array, Int64Array
from feature_manifold.core.rng import generator
from feature_manifold.geometry.cloud import Cloud
from feature_manifold.geometry.coordinate.coordinate import Coordinate
from feature_manifold.geometry.coordinate.tuning import TuningCurves
from feature_manifold.geometry.measures.results import Measured, null_of

Verdict = Literal["tiling", "global", "dilution"]
VERDICTS: tuple[Verdict, ...] = ("tiling", "global", "dilution")

ON_AN_ARC = 0.5
"""Least tiling: on average, a firing latent covers half of the places at most."""

COVERED = 0.9
"""Least share of the places at which a member of the tiling fires on a token, on average."""

OVERLAPPING = 2 / 3
"""Least share of neighbouring pairs that overlap."""

OVERLAP = 0.1
"""Least share of the lesser one's firing that two overlapping curves have in common."""

SIGNIFICANT = 0.05
"""Largest p of the tiling against the within-latent shuffle."""

PER_AXIS = 2
"""A compact group has so many atoms for each axis of the span at most: one each way."""

DENSE = 0.4
"""Least share of a compact group's atoms that fire on a token."""

N_BLOCKS = 20


@dataclass(frozen=True)
class Tiling:
    """How the members of a cluster share its coordinate, and the verdict on it.

    Attributes
    ----------
    tiling
        1 - mean width of the members' firing along the coordinate, hubs left out, each weighted by
        how much it fires. The width of a curve f over b places is (sum f)^2 / (b sum f^2) (Treves
        and Rolls 1991): 1 if it is flat, w if it fires on a share w of the places alike. Evidence
        is high. Null ``shuffle``: every member's firings are dealt to the core tokens at random.
        The interval is of a bootstrap of twenty stretches of the corpus. NaN without a member that
        is no hub.
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
        ``tiling`` if tiling, coverage, overlap and p all pass; else ``global`` if there are two
        members an axis at most, hubs included, and two fifths of them fire on a token on average;
        else ``dilution``.
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
        Of the shuffles and the bootstrap.
    rounds, resamples
        Draws from the null, and samples behind the interval.
    """
    known = curves.is_known
    firing = curves.firing[:, known]
    tiles = ~curves.is_hub & (firing.sum(axis=1) > 0)
    names = ("coordinate", "tiling", *map(str, cloud.latents.tolist()))
    measured = Measured(float("nan"))
    if tiles.any():
        counts = curves.counts[known]
        blocks = _fires_by_block(cloud, curves)[:, tiles][:, :, known]
        value = float(locality(firing[tiles]))
        draws = _shuffled(blocks.sum(axis=0), counts, rounds, generator(seed, *names, "shuffle"))
        low, high = _interval(
            blocks, _counts_by_block(curves)[:, known], resamples, generator(seed, *names, "blocks")
        )
        nulls = {"shuffle": null_of(value, draws, "high")}
        measured = Measured(value, min(low, value), max(high, value), nulls)
    active = firing[tiles].sum(axis=0)
    n_active = firing.sum(axis=0)
    coverage = float((active >= 1).mean()) if known.any() else 0.0
    overlap = _overlap(curves, coordinate, tiles)
    n_span = coordinate.frame.n_axes
    return Tiling(
        tiling=measured,
        coverage=coverage,
        active=float(active.mean()) if known.any() else 0.0,
        overlap=overlap,
        n_members=int(tiles.sum()),
        n_hubs=int(curves.is_hub.sum()),
        n_span=n_span,
        verdict=_verdict(
            measured,
            coverage,
            overlap,
            is_compact=len(curves.latents) <= PER_AXIS * n_span,
            share_active=float(n_active.mean()) / len(curves.latents) if known.any() else 0.0,
        ),
    )


def locality(firing: Float64Array) -> Float64Array:
    """Return 1 - the mean width of curves (.., k, b), weighted by their sums, float64 (..,)."""
    total = firing.sum(axis=-1)
    square = (firing**2).sum(axis=-1) * firing.shape[-1]
    width = np.divide(total**2, square, out=np.ones_like(total), where=square > 0)
    weight = np.maximum(total.sum(axis=-1), 1e-300)
    local: Float64Array = 1 - (total * width).sum(axis=-1) / weight
    return local


def _verdict(
    tiling: Measured, coverage: float, overlap: float, *, is_compact: bool, share_active: float
) -> Verdict:
    tiles = (
        tiling.value >= ON_AN_ARC
        and coverage >= COVERED
        and overlap >= OVERLAPPING
        and tiling.nulls["shuffle"].p <= SIGNIFICANT
    )
    if is_compact and share_active >= DENSE:
        return "global"
    return "tiling" if tiles else "dilution"


def _block_of_point(curves: TuningCurves) -> Int64Array:
    """Return which of twenty stretches of the corpus each point is in, alike in core tokens."""
    core = curves.place >= 0
    before: Int64Array = np.cumsum(core) - core
    blocks: Int64Array = before * N_BLOCKS // max(int(core.sum()), 1)
    return blocks


def _counts_by_block(curves: TuningCurves) -> Float64Array:
    n = len(curves.counts)
    core = curves.place >= 0
    cell = _block_of_point(curves)[core] * n + curves.place[core]
    return np.bincount(cell, minlength=N_BLOCKS * n).reshape(N_BLOCKS, n).astype(np.float64)


def _fires_by_block(cloud: Cloud, curves: TuningCurves) -> Float64Array:
    """Return how often each member fires in each stretch at each place, (N_BLOCKS, k, b)."""
    n, k = len(curves.counts), len(curves.latents)
    per_point = np.diff(cloud.activations.indptr)
    place = np.repeat(curves.place, per_point)
    inside = place >= 0
    block = np.repeat(_block_of_point(curves), per_point)[inside]
    cell = (block * k + cloud.activations.indices[inside]) * n + place[inside]
    counted = np.bincount(cell, minlength=N_BLOCKS * k * n)
    return counted.reshape(N_BLOCKS, k, n).astype(np.float64)


def _shuffled(
    fires: Float64Array, counts: Int64Array, rounds: int, rng: np.random.Generator
) -> Float64Array:
    """Draw the locality of members (k, b) whose firings are dealt to tokens at random.

    How often a member then fires at each place is multivariate hypergeometric, so that no token is
    touched.
    """
    drawn = np.stack(
        [
            rng.multivariate_hypergeometric(counts, int(n), size=rounds, method="marginals")
            for n in fires.sum(axis=1)
        ],
        axis=1,
    )
    return locality(drawn / counts)


def _interval(
    fires: Float64Array, counts: Float64Array, resamples: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Return the 95 % interval of the locality over resampled stretches of the corpus."""
    taken = rng.multinomial(N_BLOCKS, np.full(N_BLOCKS, 1 / N_BLOCKS), size=resamples)
    samples = np.empty(resamples)
    for at, weight in enumerate(taken):
        tokens = weight @ counts
        some = tokens > 0
        samples[at] = locality(np.tensordot(weight, fires, axes=1)[:, some] / tokens[some])
    low, high = np.quantile(samples, [0.025, 0.975]).tolist()
    return low, high


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
