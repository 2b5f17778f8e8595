"""A curve through the token types, open or closed: a principal curve.

Hastie and Stuetzle (1989): smooth the points along the curve, measure where on the new curve each
lies, and again. The start decides whether such a curve folds, so there are several.
"""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import BSpline
from scipy.sparse.csgraph import minimum_spanning_tree, shortest_path
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from feature_manifold.core.arrays import Array, Float64Array
from feature_manifold.geometry.coordinate.spline import smooth

N_ROUNDS = 10
SETTLED = 1e-3
"""Places that move less, of the curve's length, are found."""

EXTENSION = 0.1
"""Length of the straight pieces that go on at both ends of an open curve, of its length."""

N_NEIGHBOURS = 4
"""Of the graph whose shortest path along the types is one of the starts."""

STRAY = 2.385 * 1.4826
"""Median distances from the curve at which a type has half its weight: Cauchy's loss."""

ROUGH_VERTICES, FINE_VERTICES = 65, 257


@dataclass(frozen=True)
class Curve:
    """A polyline in a frame of c axes.

    Attributes
    ----------
    vertices
        float64 (v, c), evenly spaced in the spline's parameter. An open curve goes straight on
        beyond its ends; a closed one ends where it starts.
    lengths
        float64 (v,), arc length of each, 0 at the start and negative before it.
    closed
        Whether it closes. Its coordinate is then an angle that grows evenly with arc length.
    volume
        Length, straight pieces left out.
    held_out
        float64 (m,), distance of each token type from the curve fitted to the others, at its place
        on it.
    """

    vertices: Float64Array
    lengths: Float64Array
    closed: bool
    volume: float
    held_out: Float64Array

    @property
    def kind(self) -> str:
        """``circle`` if it closes, ``curve`` if not."""
        return "circle" if self.closed else "curve"

    @property
    def periodic(self) -> tuple[bool, ...]:
        """Whether the coordinate closes."""
        return (self.closed,)

    def locate(self, points: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Return arc length or angle, float64 (n, 1), and the curve's nearest point, (n, c)."""
        nearest = cKDTree(self.vertices).query(points)[1]
        length, at = _project(points, self.vertices, self.lengths, nearest, self.closed)
        if self.closed:
            length = (length * (2 * np.pi / self.volume)) % (2 * np.pi) % (2 * np.pi)
        return length[:, None], at


def fit_curve(
    points: Float64Array, start: Float64Array, compass: Float64Array, *, closed: bool
) -> Curve:
    """Fit a curve to the means (m, c) of token types.

    Parameters
    ----------
    start
        float64 (m,), first guesses of the types' places, from 0 to 1.
    compass
        float64 (2, c), as in a frame: says where the curve starts and which way it runs.
    """
    vertices, held_out = _fit(points, start, closed)
    vertices = _turned_round(vertices, compass) if closed else _turned(vertices, compass)
    steps = np.linalg.norm(np.diff(vertices, axis=0), axis=1)
    lengths = np.concatenate([[0.0], np.cumsum(steps)])
    volume = float(lengths[-1])
    if not closed:
        vertices, lengths = _extended(vertices, lengths)
    return Curve(vertices, lengths, closed, volume, held_out)


def open_starts(points: Float64Array, angle: Float64Array) -> list[Float64Array]:
    """Return guesses of places on an open curve, each float64 (m,) from 0 to 1.

    Along the first axis; along the shortest paths of a graph of neighbours, mutual ones or all; and
    round a ring cut at its largest gap, by the types' angles (m,) on it.
    """
    starts = [_scaled(points[:, 0])]
    if len(points) > N_NEIGHBOURS:
        # On a coil, the last type has neighbours on the next arm, which are not mutual.
        starts += [_scaled(_geodesic(points, mutual=mutual)) for mutual in (True, False)]
    ordered = np.sort(angle)
    gaps = np.diff(ordered, append=ordered[0] + 2 * np.pi)
    first = ordered[(int(np.argmax(gaps)) + 1) % len(ordered)]
    return [*starts, _scaled((angle - first) % (2 * np.pi))]


def _scaled(place: Float64Array) -> Float64Array:
    low, high = place.min(), place.max()
    scaled: Float64Array = (place - low) / max(float(high - low), 1e-300)
    return scaled


def _geodesic(points: Float64Array, *, mutual: bool) -> Float64Array:
    """Return places by the distances to both ends of the longest shortest path between types."""
    apart = cdist(points, points)
    near = np.zeros(apart.shape, dtype=bool)
    order = np.argsort(apart, axis=1)[:, 1 : N_NEIGHBOURS + 1]
    near[np.arange(len(points))[:, None], order] = True
    near = near & near.T if mutual else near | near.T
    graph = np.maximum(minimum_spanning_tree(apart).toarray(), np.where(near, apart, 0))
    along = shortest_path(graph, directed=False)
    one, other = np.unravel_index(int(np.argmax(along)), along.shape)
    place: Float64Array = along[one] / np.maximum(along[one] + along[other], 1e-300)
    return place


def _fit(
    points: Float64Array, place: Float64Array, closed: bool
) -> tuple[Float64Array, Float64Array]:
    """Return the vertices of a curve on [0, 1], and the types' held-out distances from it."""
    weight = np.ones(len(points))
    for _ in range(N_ROUNDS):
        spline, held_out = smooth(points, place, weight, closed=closed)
        before, (place, off) = place, _places(points, spline, closed)
        weight = 1 / (1 + (off / max(STRAY * float(np.median(off)), 1e-300)) ** 2)
        if np.abs(place - before).max() < SETTLED:
            break
    spline, held_out = smooth(points, place, weight, closed=closed)
    return spline(np.linspace(0, 1, FINE_VERTICES)), held_out


def _places(
    points: Float64Array, spline: BSpline, closed: bool
) -> tuple[Float64Array, Float64Array]:
    """Return the types' places by arc length, from 0 to 1, and their distances from the curve."""
    vertices = spline(np.linspace(0, 1, ROUGH_VERTICES))
    steps = np.linalg.norm(np.diff(vertices, axis=0), axis=1)
    lengths = np.concatenate([[0.0], np.cumsum(steps)])
    total = max(float(lengths[-1]), 1e-300)
    if not closed:
        vertices, lengths = _extended(vertices, lengths)
    nearest = cdist(points, vertices).argmin(axis=1)
    length, at = _project(points, vertices, lengths, nearest, closed)
    off = np.linalg.norm(points - at, axis=1)
    return length / total if closed else _scaled(length), off


def _turned(vertices: Float64Array, compass: Float64Array) -> Float64Array:
    """Let an open curve run towards the first fixed direction."""
    return vertices if (vertices[-1] - vertices[0]) @ compass[0] >= 0 else vertices[::-1]


def _turned_round(vertices: Float64Array, compass: Float64Array) -> Float64Array:
    """Let a closed curve start where it reaches furthest along the first fixed direction, and run
    from there towards the second as a counter-clockwise one would."""
    corners = vertices[:-1]
    seen = (corners @ compass.T).T
    area = float((seen[0] * np.roll(seen[1], -1) - seen[1] * np.roll(seen[0], -1)).sum())
    if area < 0:
        corners, seen = corners[::-1], seen[:, ::-1]
    corners = np.roll(corners, -int(np.argmax(seen[0])), axis=0)
    return np.concatenate([corners, corners[:1]])


def _extended(vertices: Float64Array, lengths: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Let an open curve go straight on beyond its ends."""
    ends = np.stack([vertices[0] - vertices[1], vertices[-1] - vertices[-2]])
    ends /= np.maximum(np.linalg.norm(ends, axis=1, keepdims=True), 1e-300)
    beyond = EXTENSION * lengths[-1] * np.linspace(0, 1, len(vertices) // 8 + 1)[1:]
    before = vertices[0] + beyond[:, None] * ends[0]
    after = vertices[-1] + beyond[:, None] * ends[1]
    return (
        np.concatenate([before[::-1], vertices, after]),
        np.concatenate([-beyond[::-1], lengths, lengths[-1] + beyond]),
    )


def _project(
    points: Float64Array,
    vertices: Float64Array,
    lengths: Float64Array,
    nearest: Array,
    closed: bool,
) -> tuple[Float64Array, Float64Array]:
    """Return length and place of the nearest point on the two pieces that meet at a vertex."""
    best_length = np.empty(len(points))
    best_at = np.empty_like(points)
    best_off = np.full(len(points), np.inf)
    last = len(vertices) - 2
    for shift in (-1, 0):
        first = nearest + shift
        first = first % (last + 1) if closed else np.clip(first, 0, last)
        start, piece = vertices[first], vertices[first + 1] - vertices[first]
        square = np.maximum((piece**2).sum(1), 1e-300)
        share = np.clip(((points - start) * piece).sum(1) / square, 0, 1)
        at = start + share[:, None] * piece
        off = ((points - at) ** 2).sum(1)
        better = off < best_off
        best_off = np.where(better, off, best_off)
        length = lengths[first] + share * (lengths[first + 1] - lengths[first])
        best_length = np.where(better, length, best_length)
        best_at = np.where(better[:, None], at, best_at)
    return best_length, best_at
