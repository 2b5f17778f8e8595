"""Latents outside a cluster that belong on its coordinate: suggestions for members."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.stats import norm

from feature_manifold.core.arrays import Array, Float64Array, Int64Array
from feature_manifold.core.rng import generator
from feature_manifold.geometry.cloud import Cloud
from feature_manifold.geometry.coordinate.coordinate import Coordinate
from feature_manifold.geometry.coordinate.tuning import TuningCurves
from feature_manifold.store.firings import FiringsByToken

MOST_TOKENS = 20_000
"""Core tokens that are read: 20,000 with 60 firings each are 10 MB of the index."""

MOST_CANDIDATES = 256
"""Latents whose decoder rows are read: of those with ``LEAST_OWN`` and ``LEAST_LIFT``, those that
fire most on the tokens read."""

FEWEST_FIRINGS = 8
"""On the tokens read; a latent that fires less often there is not looked at."""

LEAST_OWN = 0.5
"""Share of a latent's firings that are on core tokens of the cluster. In the few axes of a fit a
decoder row points anywhere near the tokens one time in three, and a latent that is about something
else may well be louder on some of the cluster's words than on others; it fires there seldom."""

LEAST_LIFT = 3.0
LEAST_ALIGNMENT = 0.5
LARGEST_P = 0.05


@dataclass(frozen=True)
class MissingMember:
    """A latent outside a cluster that fires where, along its coordinate, the decoder row points.

    Attributes
    ----------
    latent
        Its id.
    lift
        How much likelier it fires on a core token of the cluster than on any token.
    share
        Share of the core tokens read on which it fires.
    adds
        How much it would stretch the cluster along the axes of the fit, to first order: sum of the
        inner products of its reconstructions and the points, over that of the points' squares.
    alignment
        Cosine, in the axes of the fit, of its decoder row and the mean of the points on which it
        fires, from the middle of the core types.
    evens
        Share of the variance of the cluster's summed activation between places that would go away
        with it: near 1 if the coordinate has one dent and this fills it, below 0 if it fires where
        much does.
    p
        Chance that it fires so much more where its decoder row points, if its activations fell on
        the tokens read at random, times the number of latents looked at; at most 1.
    """

    latent: int
    lift: float
    share: float
    adds: float
    alignment: float
    evens: float
    p: float


@dataclass(frozen=True)
class MissingMembers:
    """Suggestions, and what they were chosen from.

    Attributes
    ----------
    members
        Those with half of their firings on core tokens, a lift of 3, a p of 0.05 and an alignment
        of 0.5; those that add most first.
    n_looked_at
        Latents outside the cluster that fire eight times or more on the tokens read.
    n_tokens_read
        Core tokens that were read, of ``n_core_tokens``.
    n_core_tokens
        Core tokens of the cluster.
    """

    members: tuple[MissingMember, ...]
    n_looked_at: int
    n_tokens_read: int
    n_core_tokens: int


@dataclass(frozen=True)
class _Read:
    """What is read of n core tokens: firings (m,) as place among the tokens, latent, activation."""

    rows: Int64Array
    token: Int64Array
    latent: Int64Array
    activation: Float64Array


def missing_members(
    cloud: Cloud,
    coordinate: Coordinate,
    curves: TuningCurves,
    by_token: FiringsByToken,
    decoder: Array,
    *,
    n_firings: Int64Array,
    seed: int,
    most: int = 10,
) -> MissingMembers:
    """Look for latents that fire, along a coordinate, where their decoder rows point.

    A latent that belongs on the manifold pushes the tokens on which it fires further out to where
    they are already. The sum of its activations times the way that its row reaches towards each
    point is linear in the activations, so that its mean and variance over all ways to deal these to
    the tokens are known exactly; p is of the normal law with these. Work is bounded by
    ``MOST_TOKENS`` and ``MOST_CANDIDATES``.

    Parameters
    ----------
    cloud, coordinate, curves
        A cluster, its coordinate and its tuning curves.
    by_token
        All firings by token; may be memory-mapped.
    decoder
        float32 (n_latents, d_model); may be memory-mapped.
    n_firings
        int64 (n_latents,), firings of each latent on all tokens.
    seed
        Of the tokens that are read.
    most
        Suggestions, at most.
    """
    usable = (curves.place >= 0) & curves.is_known[curves.place]
    core = np.flatnonzero(usable)
    read = _read(by_token, cloud, core, seed)
    on = np.bincount(read.latent, minlength=len(n_firings))
    on[cloud.latents] = 0
    looked_at = int((on >= FEWEST_FIRINGS).sum())
    rate = (on / max(len(read.rows), 1)) / np.maximum(n_firings, 1)
    lift, own = rate * (len(by_token.indptr) - 1), rate * len(core)
    found = np.flatnonzero((on >= FEWEST_FIRINGS) & (lift >= LEAST_LIFT) & (own >= LEAST_OWN))
    found = np.sort(found[np.argsort(-on[found], kind="stable")[:MOST_CANDIDATES]])
    members: tuple[MissingMember, ...] = ()
    if len(found):
        adds, alignment, p = _reach(cloud, coordinate, decoder, read, found)
        evens = _evens(curves, read, found)
        p = np.minimum(p * looked_at, 1.0)
        good = np.flatnonzero((p <= LARGEST_P) & (alignment >= LEAST_ALIGNMENT))
        best = good[np.argsort(-adds[good], kind="stable")[:most]]
        members = tuple(
            MissingMember(
                latent=int(found[at]),
                lift=float(lift[found[at]]),
                share=float(on[found[at]] / len(read.rows)),
                adds=float(adds[at]),
                alignment=float(alignment[at]),
                evens=float(evens[at]),
                p=float(p[at]),
            )
            for at in best.tolist()
        )
    return MissingMembers(members, looked_at, len(read.rows), len(core))


def _read(by_token: FiringsByToken, cloud: Cloud, core: Int64Array, seed: int) -> _Read:
    rows = core
    if len(core) > MOST_TOKENS:
        rng = generator(seed, "coordinate", "missing", *map(str, cloud.latents.tolist()))
        rows = np.sort(rng.choice(core, MOST_TOKENS, replace=False))
    tokens = np.asarray(cloud.tokens[rows], dtype=np.int64)
    starts = np.asarray(by_token.indptr[tokens], dtype=np.int64)
    lengths = np.asarray(by_token.indptr[tokens + 1], dtype=np.int64) - starts
    ends = np.cumsum(lengths)
    at = np.arange(int(lengths.sum())) + np.repeat(starts - (ends - lengths), lengths)
    return _Read(
        rows,
        np.repeat(np.arange(len(tokens)), lengths),
        np.asarray(by_token.latents[at], dtype=np.int64),
        np.asarray(by_token.activations[at], dtype=np.float64),
    )


def _answers(read: _Read, found: Int64Array) -> sp.csr_matrix:
    """Return the activations of some latents on the tokens read, (m, n)."""
    at = np.minimum(np.searchsorted(found, read.latent), len(found) - 1)
    own = found[at] == read.latent
    shape = (len(found), len(read.rows))
    return sp.csr_matrix((read.activation[own], (at[own], read.token[own])), shape=shape)


def _reach(
    cloud: Cloud, coordinate: Coordinate, decoder: Array, read: _Read, found: Int64Array
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Return ``adds``, ``alignment`` and the uncorrected ``p`` of some latents, each (m,)."""
    answers, frame = _answers(read, found), coordinate.frame
    rows = np.asarray(decoder[found], dtype=np.float64) @ (frame.axes @ cloud.basis).T
    points = cloud.activations[read.rows] @ (cloud.coordinates @ frame.axes.T)
    points = points - frame.axes @ frame.mean
    pull = answers @ points
    towards = (pull * rows).sum(axis=1)
    lengths = np.linalg.norm(pull, axis=1) * np.linalg.norm(rows, axis=1)
    adds = towards / max(float((points**2).sum()), 1e-300)
    p = norm.sf(_surprise(answers, points @ rows.T))
    return adds, towards / np.maximum(lengths, 1e-300), p


def _evens(curves: TuningCurves, read: _Read, found: Int64Array) -> Float64Array:
    """Return by how much of itself the variance of activation between places would fall, (m,)."""
    n, n_places = len(read.rows), len(curves.counts)
    place = curves.place[read.rows]
    here = sp.csr_matrix((np.ones(n), (np.arange(n), place)), shape=(n, n_places))
    counts = np.bincount(place, minlength=n_places)
    level = np.nan_to_num(curves.mean).sum(axis=0)
    filled = level + (_answers(read, found) @ here).toarray() / np.maximum(counts, 1)
    known = counts > 0
    evens: Float64Array = 1 - filled[:, known].var(axis=1) / max(float(level[known].var()), 1e-300)
    return evens


def _surprise(answers: sp.csr_matrix, scores: Float64Array) -> Float64Array:
    """Return how far each sum of activations times scores is above its mean, in deviations.

    Mean and deviation are those of all ways to deal a latent's activations to the tokens: mean
    n m(a) m(u) and variance n^2 v(a) v(u) / (n - 1), m and v being means and variances.

    Parameters
    ----------
    answers
        (m, n), activations a of m latents on n tokens.
    scores
        float64 (n, m), scores u of the tokens for each latent.
    """
    n = max(answers.shape[1], 2)
    sums = np.asarray(answers.multiply(scores.T).sum(axis=1)).ravel()
    mean = np.asarray(answers.sum(axis=1)).ravel() / n
    square = np.asarray(answers.multiply(answers).sum(axis=1)).ravel() / n
    variance = n**2 * np.maximum(square - mean**2, 0) * scores.var(axis=0) / (n - 1)
    above: Float64Array = (sums - n * mean * scores.mean(axis=0)) / np.sqrt(variance + 1e-300)
    return above
