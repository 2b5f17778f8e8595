"""Which shape a set of token types has: the one that makes types it has not seen likeliest."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from feature_manifold.core.arrays import Float64Array
from feature_manifold.core.errors import InputError
from feature_manifold.geometry.coordinate.curve import fit_curve, open_starts
from feature_manifold.geometry.coordinate.frame import LEAST_RATIO, MOST_AXES, Frame
from feature_manifold.geometry.coordinate.ring import fit_ring
from feature_manifold.geometry.coordinate.sheet import fit_sheet, fit_torus

KINDS = ("circle", "curve", "surface")

FINEST = 0.03
"""Least scatter about a shape, of the types' RMS radius: nothing finer is claimed."""

N_ROUNDS = 50
MOST_STRAY = 0.5

LEAST_NATS = 4.0
"""How much likelier than a box a circle or curve must make all types together, or a sheet is taken,
which nothing can refute. Of sets of 7 to 60 types at random, about one in ten gains as much."""

NARROWEST = 1 / 3
"""Of a plane's standard deviations, the lesser over the greater one. What is narrower is a line."""

RARE = 0.05
"""Share of random circles that have so large a gap that they are taken for open curves."""

PLAIN = 0.1
"""Nats a type that a loop must be better than an ellipse, whose angle is plainer."""

FEWEST_ON_LOOP = 6

LEAST_SHARE = 0.05
"""A ring does not lie on an axis with less of the types' variance."""


class Shape(Protocol):
    """What is fitted in a frame of c axes."""

    @property
    def kind(self) -> str:
        """One of ``KINDS``."""

    @property
    def periodic(self) -> tuple[bool, ...]:
        """Whether each coordinate is an angle."""

    @property
    def volume(self) -> float:
        """Length or area."""

    @property
    def held_out(self) -> Float64Array:
        """Distances of the token types from the shape fitted to the others, float64 (m,)."""

    def locate(self, points: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Return coordinates, float64 (n, a), and the shape's point there, (n, c)."""


@dataclass(frozen=True)
class Candidate:
    """A shape in some axes of a frame.

    Attributes
    ----------
    shape, frame
        The shape, and the axes in which it lies.
    gain
        Nats a type by which it is likelier than a box, times the axes' share of the types'
        variance.
    merit
        With what it competes among shapes of its kind: ``gain``, less ``PLAIN`` if it is a loop.
    """

    shape: Shape
    frame: Frame
    gain: float
    merit: float

    @property
    def share(self) -> float:
        """Share of the types' variance on the axes."""
        return float(self.frame.share.sum())

    @property
    def is_narrow(self) -> bool:
        """Whether it lies in a plane that is next to a line."""
        share = self.frame.share
        return len(share) == 2 and bool(share[1] < NARROWEST**2 * share[0])


def choose(
    means: Float64Array, frame: Frame, kind: str | None
) -> tuple[Candidate, dict[str, float]]:
    """Choose a shape for the means (m, r) of token types.

    The gain decides, with rules for what it cannot tell. An open curve leaves out the largest gap
    between m types of a circle, and is shorter by it, so it has to gain more by what the largest
    gap of m types at random makes in one circle of twenty. Circles and curves have to gain
    ``LEAST_NATS`` on a sheet, over all types. In a plane narrower than ``NARROWEST`` there are
    neither circles nor sheets, unless they are asked for.

    Parameters
    ----------
    kind
        One of ``KINDS``, or None to choose among all.

    Returns
    -------
    tuple
        The best candidate, and the best gain of each kind that was considered.

    Raises
    ------
    InputError
        If nothing of the kind can be fitted.
    """
    points = frame.project(means)
    best: dict[str, Candidate] = {}
    gains: dict[str, float] = {}
    for candidate in _candidates(points, frame):
        name = candidate.shape.kind
        if kind is None and name != "curve" and candidate.is_narrow:
            continue
        gains[name] = max(gains.get(name, -np.inf), candidate.gain)
        if name not in best or candidate.merit > best[name].merit:
            best[name] = candidate
    m = len(points)
    gap = 1 - (RARE / m) ** (1 / (m - 1))
    handicap = {
        "circle": 0.0,
        "curve": -float(np.log(1 - gap)) * best["curve"].share,
        "surface": -LEAST_NATS / m,
    }
    wanted = [name for name in KINDS if name in best and kind in (None, name)]
    if not wanted:
        raise InputError(
            f"No {kind} fits {len(points)} core token types on {frame.n_axes} axes. "
            f"Ask for one of: {', '.join(best)}."
        )
    chosen = max(wanted, key=lambda name: gains[name] - handicap[name])
    return best[chosen], {name: gains[name] for name in KINDS if name in gains}


def _candidates(points: Float64Array, frame: Frame) -> Iterator[Candidate]:
    """Yield rings and sheets in planes, curves in two axes and more, a torus in four."""
    n_strong = int((frame.share >= LEAST_RATIO * frame.share[0]).sum())
    plane = points[:, :2]
    if frame.n_axes == 1:
        start = (points[:, 0] - points[:, 0].min()) / np.ptp(points[:, 0])
        yield _candidate(fit_curve(points, start, frame.compass, closed=False), points, frame)
        return
    angle = np.arctan2(*(plane - np.median(plane, axis=0)).T[::-1]) % (2 * np.pi)
    for axes in _planes(frame):
        part, flat = frame.part(axes), points[:, list(axes)]
        ring = fit_ring(flat, part.compass)
        if ring is not None:
            if axes == (0, 1):
                angle = ring.locate(flat)[0][:, 0]
            yield _candidate(ring, flat, part)
    yield _candidate(fit_sheet(plane, frame.part((0, 1)).compass), plane, frame.part((0, 1)))
    for n_axes in range(2, max(n_strong, 2) + 1):
        part, cut = frame.part(tuple(range(n_axes))), points[:, :n_axes]
        for start in open_starts(cut, angle):
            curve = fit_curve(cut, start, part.compass, closed=False)
            yield _candidate(curve, cut, part)
        if len(points) >= FEWEST_ON_LOOP:
            loop = fit_curve(cut, angle / (2 * np.pi), part.compass, closed=True)
            yield _candidate(loop, cut, part, less=PLAIN)
    if n_strong == MOST_AXES:
        torus = fit_torus(points, frame.compass)
        if torus is not None:
            yield _candidate(torus, points, frame)


def _planes(frame: Frame) -> tuple[tuple[int, int], ...]:
    """Return the planes in which a ring may lie; the first axis may be one of intensity alone."""
    first, third = frame.share[0], frame.share[2] if frame.n_axes > 2 else 0.0
    if third < LEAST_SHARE or third < LEAST_RATIO * frame.share[1]:
        return ((0, 1),)
    return ((0, 1), (0, 2), (1, 2)) if third >= LEAST_RATIO * first else ((0, 1), (1, 2))


def _candidate(shape: Shape, points: Float64Array, frame: Frame, *, less: float = 0) -> Candidate:
    gain = log_gain(shape.held_out, shape.volume, points.std(axis=0), n_dims=len(shape.periodic))
    share = float(frame.share.sum())
    return Candidate(shape, frame, gain * share, (gain - less) * share)


def log_gain(held_out: Float64Array, volume: float, spreads: Float64Array, *, n_dims: int) -> float:
    """Return how much likelier a shape makes the types than a box of their spread, nats a type.

    Types lie evenly on a shape of so much length or area and scatter about it in the other
    dimensions of the frame by a Gaussian; some are strays, anywhere in the box. Scatter and share
    of strays are the likeliest (EM). So a shape is the better the shorter or smaller it is, and the
    closer it passes by types that were left out when it was fitted.

    Parameters
    ----------
    held_out
        float64 (m,), distance of each type from the shape fitted to the others.
    volume
        Length or area of the shape.
    spreads
        float64 (c,), standard deviations of the types along the frame's axes.
    n_dims
        Dimensions of the shape.
    """
    n_normal = len(spreads) - n_dims
    box = -float(np.log(np.sqrt(12) * spreads).sum())
    finest = (FINEST * float(np.sqrt((spreads**2).sum()))) ** 2
    if n_normal == 0:
        return -float(np.log(volume)) - box
    square = held_out**2
    variance = max(float(np.median(square)) / n_normal, finest)
    stray = 0.1
    for _ in range(N_ROUNDS):
        density = -np.log(volume) - n_normal / 2 * np.log(2 * np.pi * variance)
        on = np.log1p(-stray) + density - square / (2 * variance)
        off = np.log(stray) + box
        both = np.logaddexp(on, off)
        belongs = np.exp(on - both)
        stray = min(max(1 - float(belongs.mean()), 1e-6), MOST_STRAY)
        total = max(float(belongs.sum()), 1e-12)
        variance = max(float((belongs * square).sum()) / (n_normal * total), finest)
    return float(both.mean()) - box
