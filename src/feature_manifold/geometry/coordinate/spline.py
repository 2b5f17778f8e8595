"""A cubic spline through noisy points in order, open or closed, as stiff as predicts best."""

from functools import lru_cache

import numpy as np
from scipy.interpolate import BSpline

from feature_manifold.core.arrays import Float64Array

MOST_BASES = 12
"""Splines of a curve: enough for a coil of two turns, too few for a zigzag through a sheet."""

STIFFNESS = np.logspace(-4, 3, 8)
FEWEST_TO_BEND = 6
"""Through fewer points a line stays straight: they cannot tell a bend from scatter."""


def smooth(
    points: Float64Array, place: Float64Array, weight: Float64Array, *, closed: bool
) -> tuple[BSpline, Float64Array]:
    """Fit the spline that predicts held-out points best.

    A penalised regression spline (Eilers and Marx 1996). A point's distance from the fit to the
    others is its residual over 1 - leverage, which is exact while the places stay.

    Parameters
    ----------
    points
        float64 (m, c).
    place
        float64 (m,), in [0, 1]; 1 is 0 again if the curve is closed.
    weight
        float64 (m,), positive.

    Returns
    -------
    tuple
        The spline on [0, 1], and each point's distance from it when held out, float64 (m,).
    """
    n_bases = int(np.clip(len(points) // 2 + 1 + closed, 4 + closed, MOST_BASES))
    knots, fold, penalty = _basis(n_bases, closed)
    design = BSpline.design_matrix(np.clip(place, 0, 1), knots, 3) @ fold
    gram = design.T @ (weight[:, None] * design)
    unit = np.trace(gram) / max(float(np.trace(penalty)), 1e-300)
    stiffness = STIFFNESS if len(points) >= FEWEST_TO_BEND else STIFFNESS[-1:]
    systems = gram + stiffness[:, None, None] * (unit * penalty)
    # Without the ridge, points that are all in one place would have no fit.
    inverse = np.linalg.inv(systems + 1e-10 * np.trace(gram) * np.eye(n_bases))
    solved = inverse @ (design.T @ (weight[:, None] * points))
    leverage = ((design @ inverse) * design).sum(axis=2) * weight
    residual = np.linalg.norm(points - design @ solved, axis=2)
    held_out = residual / np.maximum(1 - leverage, 0.05)
    best = int(np.argmin((weight * held_out**2).sum(axis=1)))
    return BSpline(knots, fold @ solved[best], 3), held_out[best]


@lru_cache(maxsize=32)
def _basis(n_bases: int, closed: bool) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Return knots, how coefficients become those of a plain spline, and the penalty of bends."""
    if closed:
        knots = np.arange(-3, n_bases + 4) / n_bases
        fold = np.eye(n_bases)[np.arange(n_bases + 3) % n_bases]
        one = np.eye(n_bases)
        bend = 2 * one - np.roll(one, 1, axis=1) - np.roll(one, -1, axis=1)
        return knots, fold, bend.T @ bend
    knots = np.concatenate([[0] * 3, np.linspace(0, 1, n_bases - 2), [1] * 3])
    # Second divided differences at the splines' centres: straight lines cost nothing.
    steps = np.diff(np.convolve(knots[1:-1], np.ones(3) / 3, mode="valid"))
    bend = np.zeros((n_bases - 2, n_bases))
    rows = np.arange(n_bases - 2)
    bend[rows, rows] = 1 / steps[:-1]
    bend[rows, rows + 2] = 1 / steps[1:]
    bend[rows, rows + 1] = -bend[rows, rows] - bend[rows, rows + 2]
    return knots, np.eye(n_bases), bend.T @ bend
