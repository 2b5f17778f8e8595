"""Epsilon-mixture index: how much of a plane's data a thin slab can hold.

M(f) = max over (v, c) of P(|v f + c| < epsilon sqrt(E[(v f + c)^2])). High: much of the data lies
on a line that other data crosses, as when two features never fire together. Low: irreducible.
"""

from dataclasses import dataclass

import numpy as np

from feature_manifold.core.arrays import Array, Float64Array
from feature_manifold.core.kernels import kernel

EPSILON = 0.1
N_DIRECTIONS = 90
N_OFFSETS = 161
#: Offsets reach so many standard deviations to either side of the mean.
REACH = 2.0
LEARNING_RATE = 0.1
N_STEPS = 10_000


@dataclass(frozen=True)
class Mixture:
    """Epsilon-mixture index of a plane.

    Attributes
    ----------
    index
        Share of the points in the fullest slab, in [0, 1].
    through_mean
        The same among slabs about lines through the mean; blind to a mixture whose features do not
        meet there.
    """

    index: float
    through_mean: float


def mixture(plane: Float64Array, *, n_directions: int = N_DIRECTIONS) -> Mixture:
    """Return the epsilon-mixture index of points in a plane, by trying every slab of a grid.

    Directions are spread over half a turn; offsets, 161 from -2 to 2 standard deviations of the
    projections, are counted from the mean. A point lies within the slab for an interval of
    offsets, so that one pass over the points settles all of them.

    Parameters
    ----------
    plane
        float64 (n, 2).
    n_directions
        Directions tried.

    Returns
    -------
    Mixture
        NaN without points.

    References
    ----------
    Engels et al. (2024), definition of the epsilon-mixture index, epsilon = 0.1. Their code climbs
    a gradient instead: see `mixture_by_ascent`; the two are not comparable.
    """
    if not len(plane):
        return Mixture(np.nan, np.nan)
    x, y = np.ascontiguousarray((plane - plane.mean(axis=0)).T)
    angles = np.arange(n_directions) * (np.pi / n_directions)
    cosines, sines = np.cos(angles), np.sin(angles)
    squares = cosines**2 * (x @ x) + 2 * cosines * sines * (x @ y) + sines**2 * (y @ y)
    deviations = np.sqrt(np.maximum(squares, 0) / len(plane))
    most, middle = _fullest_slab(x, y, cosines, sines, deviations)
    return Mixture(most / len(plane), middle / len(plane))


def mixture_by_ascent(
    plane: Float64Array, rng: np.random.Generator, *, n_steps: int = N_STEPS
) -> float:
    """Return the epsilon-mixture index as the published code finds it.

    Gradient ascent on mean sigmoid(epsilon - |z|), z = (a f + b) / sqrt(E[(a f + b)^2]), from
    a ~ N(0, 1), b = 0, with rate 0.1 and no temperature; then the share of the points with
    |z| < epsilon. It may stop at a local optimum, so that it depends on the seed and is at most
    what is there to be found.

    Parameters
    ----------
    plane
        float64 (n, 2).
    rng
        Draws the starting point; the published run is unseeded.
    n_steps
        Steps taken: each is a pass over the points.

    Returns
    -------
    float
        In [0, 1]; NaN without points.
    """
    if not len(plane):
        return float("nan")
    x, y = np.ascontiguousarray(plane.T)
    return float(_ascend(x, y, rng.standard_normal(2), n_steps))


@kernel()
def _fullest_slab(
    x: Array, y: Array, cosines: Array, sines: Array, deviations: Array
) -> tuple[int, int]:
    """Return the points in the fullest slab, and in the fullest through the mean.

    ``deviations`` are those of the projections in each direction.
    """
    n = len(x)
    middle = N_OFFSETS // 2
    per_deviation = middle / REACH
    narrowed = 1.0 - EPSILON * EPSILON
    first, last = np.empty(n), np.empty(n)
    most, most_through_mean = 0, 0
    for direction in range(len(cosines)):
        if deviations[direction] == 0.0:
            return n, n
        across = cosines[direction] / deviations[direction]
        along = sines[direction] / deviations[direction]
        for point in range(n):
            # |u + o| < epsilon sqrt(1 + o^2), in standard deviations, solved for the offset o.
            unit = across * x[point] + along * y[point]
            half = EPSILON * np.sqrt(unit * unit + narrowed)
            lower = (-unit - half) / narrowed * per_deviation + middle
            upper = (-unit + half) / narrowed * per_deviation + middle
            first[point] = max(np.floor(lower) + 1.0, 0.0)
            last[point] = min(np.ceil(upper), float(N_OFFSETS))
        changes = np.zeros(N_OFFSETS + 1, dtype=np.int64)
        for point in range(n):
            if first[point] < last[point]:
                changes[int(first[point])] += 1
                changes[int(last[point])] -= 1
        inside = 0
        for offset in range(N_OFFSETS):
            inside += changes[offset]
            most = max(most, inside)
            if offset == middle:
                most_through_mean = max(most_through_mean, inside)
    return most, most_through_mean


@kernel()
def _ascend(x: Array, y: Array, start: Array, n_steps: int) -> float:
    n = len(x)
    a, b, c = start[0], start[1], 0.0
    for step in range(n_steps + 1):
        squares = 0.0
        for point in range(n):
            value = a * x[point] + b * y[point] + c
            squares += value * value
        if squares <= 0.0:
            return 1.0
        scale = 1.0 / np.sqrt(squares / n)
        if step == n_steps:
            break
        # With w = dP/dz, dz/dtheta = s (dv/dtheta) - z s^2 E[v dv/dtheta].
        pulled, along = np.zeros(3), np.zeros(3)
        weighted = 0.0
        for point in range(n):
            value = a * x[point] + b * y[point] + c
            z = value * scale
            rise = 1.0 / (1.0 + np.exp(abs(z) - EPSILON))
            slope = -np.sign(z) * rise * (1.0 - rise)
            weighted += slope * z
            pulled[0] += slope * x[point]
            pulled[1] += slope * y[point]
            pulled[2] += slope
            along[0] += value * x[point]
            along[1] += value * y[point]
            along[2] += value
        for place in range(3):
            pulled[place] = scale * (pulled[place] - weighted * scale * along[place] / n) / n
        a += LEARNING_RATE * pulled[0]
        b += LEARNING_RATE * pulled[1]
        c += LEARNING_RATE * pulled[2]
    inside = 0
    for point in range(n):
        if abs(a * x[point] + b * y[point] + c) * scale < EPSILON:
            inside += 1
    return inside / n
