"""Measure the shipped model against its bars.

Clusters, core tokens, planes and ranks come from ``clusters``, which sees no labels. Labels enter
only here, to say how good the found picture is: which cluster covers a group best (F1), and
whether the words stand in their true order in the plane that the cluster displays.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from feature_manifold.demo.clusters import (
    MIN_CORE,
    MIN_LATENTS,
    Cloud,
    View,
    activation_by_type,
    cloud_of,
    communities,
    latents_on,
    refined,
    score,
    view_of,
)
from feature_manifold.demo.groups import GROUPS, Group, Kind
from feature_manifold.demo.tokenizer import token_index
from feature_manifold.geometry.clusters.core import type_means

#: A latent that fires often enough to count belongs to a group if more than this share of its
#: activation is on the group's words.
MEMBER_SHARE = 0.6
#: Clusters that share more than this share of the smaller one's latents show the same thing.
MAX_OVERLAP = 0.5


@dataclass(frozen=True)
class Ring:
    """How well points lie on a circle in their true order.

    Attributes
    ----------
    resultant
        Length of the mean of exp(i (found angle -+ true angle)), in [0, 1]: the circular
        agreement R, for the better of the two directions of travel.
    order
        Share of neighbouring pairs that are neighbours in found order, in [0, 1].
    harmonic
        Share of the points' variance, in all dimensions, in the first Fourier harmonic.
    """

    resultant: float
    order: float
    harmonic: float


@dataclass(frozen=True)
class GroupResult:
    """What the label-free clusters show of one group.

    Attributes
    ----------
    name
        The group.
    f1, rank, latents
        Overlap of its best cluster with its true latents, the cluster's place in the ranked list
        (1 is first), and its members.
    ring
        On a circle: order in the displayed plane.
    share
        The displayed plane's share of the variance of the cluster's core tokens.
    loop, second_loop
        The cluster's longest H1 bars over its RMS radius.
    fit
        On a line or map: R2 of the true coordinate from a quadratic (line) or affine (map)
        function of the first two PCs of the words.
    """

    name: str
    f1: float
    rank: int
    latents: tuple[int, ...]
    ring: Ring | None
    share: float
    loop: float
    second_loop: float
    fit: float


@dataclass(frozen=True)
class Candidate:
    """A cluster with its picture and score."""

    cloud: Cloud
    view: View
    score: float


def ranked_clusters(
    firings: sp.csr_matrix,
    decoder: NDArray[np.float32],
    token_ids: NDArray[np.int64],
    *,
    seed: int,
) -> list[Candidate]:
    """Find clusters without labels and rank them, best first.

    Of clusters that share more than half of the smaller one's latents only the best is kept.
    """
    found = []
    by_type = activation_by_type(firings, token_ids)
    members = {
        tuple(refined(latents, by_type, firings, token_ids).tolist())
        for latents in communities(firings, seed=seed)
    }
    for latents in sorted(members):
        if len(latents) < MIN_LATENTS:
            continue
        cloud = cloud_of(np.array(latents), firings, decoder, token_ids)
        if len(cloud.core) >= MIN_CORE:
            view = view_of(cloud.centroids)
            found.append(Candidate(cloud, view, score(cloud, view)))
    kept: list[Candidate] = []
    for candidate in sorted(found, key=lambda candidate: -candidate.score):
        if not any(_overlap(candidate.cloud, better.cloud) > MAX_OVERLAP for better in kept):
            kept.append(candidate)
    return kept


def group_results(
    candidates: list[Candidate],
    firings: sp.csr_matrix,
    decoder: NDArray[np.float32],
    token_ids: NDArray[np.int64],
) -> dict[str, GroupResult]:
    """Score the ranked clusters against every group; labels are used here and only here."""
    by_type = activation_by_type(firings, token_ids)
    results = {}
    for group in GROUPS:
        members = latents_on(word_ids(group), by_type, firings, share=MEMBER_SHARE)
        circle = group.kind is Kind.CIRCLE
        f1 = [_f1(candidate.cloud.latents, members) for candidate in candidates]
        if not f1:
            nothing = Ring(0.0, 0.0, 0.0) if circle else None
            results[group.name] = GroupResult(group.name, 0.0, 0, (), nothing, 0.0, 0.0, 0.0, 0.0)
            continue
        best = int(np.argmax(f1))
        chosen = candidates[best]
        latents = chosen.cloud.latents
        means = word_means(group, latents, firings, decoder, token_ids)
        results[group.name] = GroupResult(
            name=group.name,
            f1=f1[best],
            rank=best + 1,
            latents=tuple(latents.tolist()),
            ring=ring_in(means, chosen.view.axes, chosen.view.centre) if circle else None,
            share=chosen.view.share,
            loop=chosen.view.loop,
            second_loop=chosen.view.second_loop,
            fit=0.0 if circle else coordinate_fit(means, group),
        )
    return results


def word_means(
    group: Group,
    latents: NDArray[np.int64],
    firings: sp.csr_matrix,
    decoder: NDArray[np.float32],
    token_ids: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Mean reconstruction from ``latents`` at each word of a group, (n_words, d), group order."""
    words = word_ids(group)
    means = type_means(firings[:, latents], token_ids, np.sort(words))
    return (means @ decoder[latents].astype(np.float64))[np.argsort(np.argsort(words))]


def null_rings(
    found: dict[str, GroupResult],
    firings: sp.csr_matrix,
    decoder: NDArray[np.float32],
    token_ids: NDArray[np.int64],
) -> dict[str, Ring]:
    """Judge the found clusters again, on firings or a decoder whose structure was destroyed.

    The plane is chosen anew, by the same rule, on the words' own points.
    """
    rings = {}
    for group in GROUPS:
        latents = np.array(found[group.name].latents, dtype=np.int64)
        if group.kind is Kind.CIRCLE and len(latents):
            means = word_means(group, latents, firings, decoder, token_ids)
            view = view_of(means)
            rings[group.name] = ring_in(means, view.axes, view.centre)
    return rings


def word_ids(group: Group) -> NDArray[np.int64]:
    """Token ids of a group's words, in the group's order."""
    index = token_index()
    return np.array([index[word] for word in group.words], dtype=np.int64)


def ring_in(
    points: NDArray[np.float64], axes: NDArray[np.float64], centre: NDArray[np.float64]
) -> Ring:
    """Judge ordered points (n, d) in the plane ``axes`` (2, d) about ``centre`` (d,)."""
    n = len(points)
    x, y = axes @ (points - centre).T
    angle = np.arctan2(y, x)
    true = 2 * np.pi * np.arange(n) / n
    resultant = max(abs(np.exp(1j * (angle - sign * true)).mean()) for sign in (1, -1))
    found = np.argsort(angle)
    steps = np.diff(np.r_[found, found[0]]) % n
    power = (np.abs(np.fft.fft(points - points.mean(0), axis=0)) ** 2).sum(1)
    return Ring(
        resultant=float(resultant),
        order=float(np.isin(steps, (1, n - 1)).mean()),
        harmonic=float((power[1] + power[-1]) / max(power.sum(), 1e-30)),
    )


def principal_ring(points: NDArray[np.float64]) -> tuple[Ring, float]:
    """Judge ordered points in their own first two PCs; also those PCs' share of the variance."""
    centred = points - points.mean(0)
    _, scale, axes = np.linalg.svd(centred, full_matrices=False)
    share = float((scale[:2] ** 2).sum() / (scale**2).sum())
    return ring_in(points, axes[:2], points.mean(0)), share


def coordinate_fit(points: NDArray[np.float64], group: Group) -> float:
    """R2 of a group's coordinates from the first two PCs of its words.

    Affine for a map. A line may bend into a horseshoe, so squares and the product are allowed.
    """
    left, scale, _ = np.linalg.svd(points - points.mean(0), full_matrices=False)
    x, y = (left[:, :2] * scale[:2]).T
    columns = [np.ones_like(x), x, y]
    if group.kind is Kind.LINE:
        columns += [x * x, x * y, y * y]
    design = np.stack(columns, axis=1)
    target = group.coordinates
    weights = np.linalg.lstsq(design, target, rcond=None)[0]
    residual = ((target - design @ weights) ** 2).sum()
    return float(1 - residual / ((target - target.mean(0)) ** 2).sum())


def _overlap(one: Cloud, other: Cloud) -> float:
    both = len(np.intersect1d(one.latents, other.latents))
    return both / min(len(one.latents), len(other.latents))


def _f1(found: NDArray[np.int64], members: NDArray[np.int64]) -> float:
    both = len(np.intersect1d(found, members))
    return 2 * both / max(1, len(found) + len(members))
