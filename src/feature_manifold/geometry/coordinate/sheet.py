"""Two coordinates: a flat sheet, or the two angles of a torus."""

from dataclasses import dataclass

import numpy as np

from feature_manifold.core.arrays import Float64Array
from feature_manifold.geometry.coordinate.ring import oriented

TORUS_AXES = 4
FEWEST_ON_TORUS = 16
TORUS_NUMBERS = 11
"""Fitted: two planes, a centre, two radii."""


@dataclass(frozen=True)
class Sheet:
    """All of a frame of two axes.

    Attributes
    ----------
    plane
        float64 (2, 2), orthonormal: the directions of u and v.
    volume
        Area of the evenly filled rectangle with the types' variances.
    held_out
        float64 (m,), distance of each token type from the sheet fitted to the others, to first
        order.
    """

    plane: Float64Array
    volume: float
    held_out: Float64Array

    kind = "surface"
    periodic = (False, False)

    def locate(self, points: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Return (u, v), float64 (n, 2), from the middle of the types, and the sheet's point."""
        place = points @ self.plane.T
        return place, place @ self.plane


@dataclass(frozen=True)
class Torus:
    """The product of circles in two planes that are at right angles, in a frame of four axes.

    Attributes
    ----------
    planes
        float64 (2, 2, 4), orthonormal: of each angle, zero and a quarter turn on.
    centre
        float64 (4,).
    radii
        float64 (2,).
    held_out
        float64 (m,), distance of each token type from the torus.
    """

    planes: Float64Array
    centre: Float64Array
    radii: Float64Array
    held_out: Float64Array

    kind = "surface"
    periodic = (True, True)

    @property
    def volume(self) -> float:
        """Area."""
        return float(4 * np.pi**2 * np.prod(self.radii))

    def locate(self, points: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Return both angles, float64 (n, 2) in [0, 2 pi), and the torus' point there, (n, 4)."""
        flat = np.einsum("pic,nc->npi", self.planes, points - self.centre)
        angle = np.arctan2(flat[..., 1], flat[..., 0])
        circle = np.stack([np.cos(angle), np.sin(angle)], axis=-1) * self.radii[:, None]
        at = np.einsum("npi,pic->nc", circle, self.planes) + self.centre
        return angle % (2 * np.pi) % (2 * np.pi), at


def fit_sheet(points: Float64Array, compass: Float64Array) -> Sheet:
    """Fit a sheet to the means (m, 2) of token types: nothing is left to fit but its extent."""
    spread = points.std(axis=0)
    return Sheet(
        plane=oriented(np.eye(2), compass),
        volume=float(12 * spread[0] * spread[1]),
        held_out=np.zeros(len(points)),
    )


def fit_torus(points: Float64Array, compass: Float64Array) -> Torus | None:
    """Fit a torus to the means (m, 4) of token types; None if they are too few.

    Where both circles are evenly filled, all four axes have like variances and PCA cannot tell the
    planes. A form x' M x without trace that varies least over the types, of all of one size, is
    the difference of the two planes' projections: constant on the torus, and on it alone. Its
    positive and its negative directions are the planes.
    """
    if len(points) < FEWEST_ON_TORUS:
        return None
    pairs = np.triu_indices(TORUS_AXES)
    scale = np.where(pairs[0] == pairs[1], 1.0, np.sqrt(2))
    spread = np.sqrt((points**2).mean(axis=0))
    white = points / spread
    products = white[:, pairs[0]] * white[:, pairs[1]] * scale
    trace = (pairs[0] == pairs[1]) / np.sqrt(TORUS_AXES)
    products -= np.outer(products @ trace, trace)
    moments = products.T @ products / len(points) + 1e6 * np.outer(trace, trace)
    form = np.zeros((TORUS_AXES, TORUS_AXES))
    form[pairs] = np.linalg.eigh(moments)[1][:, 0] / scale
    form = form + form.T - np.diag(np.diag(form))
    directions = np.linalg.eigh(form)[1].T
    planes = [np.linalg.qr((directions[half] * spread).T)[0].T for half in (slice(2), slice(2, 4))]
    return _torus(points, planes, compass)


def _torus(points: Float64Array, planes: list[Float64Array], compass: Float64Array) -> Torus:
    """Make the planes orthogonal to each other, order and turn them, and fit the radii."""
    left, _, right = np.linalg.svd(np.concatenate(planes))
    square = left @ right
    both = [oriented(square[:2], compass), oriented(square[2:], compass)]
    # Which angle comes first must not hang on two radii that are nearly the same.
    both.sort(key=lambda plane: -float(np.linalg.norm(compass[0] @ plane.T)))
    stacked = np.stack(both)
    flat = np.einsum("pic,nc->npi", stacked, points)
    centres, radii = zip(*(_circle(flat[:, plane]) for plane in (0, 1)), strict=True)
    centre = np.einsum("pi,pic->c", np.stack(centres), stacked)
    torus = Torus(stacked, centre, np.array(radii), np.zeros(len(points)))
    off = np.linalg.norm(points - torus.locate(points)[1], axis=1)
    held_out = off / np.sqrt(1 - TORUS_NUMBERS / off.size)
    return Torus(stacked, centre, np.array(radii), held_out)


def _circle(flat: Float64Array) -> tuple[Float64Array, float]:
    """Return centre and radius of the circle of least algebraic error (Kåsa 1976)."""
    design = np.column_stack([2 * flat, np.ones(len(flat))])
    solution = np.linalg.lstsq(design, (flat**2).sum(1), rcond=None)[0]
    square = float(solution[2] + solution[:2] @ solution[:2])
    return solution[:2], float(np.sqrt(max(square, 1e-300)))
