"""A circle or ellipse in the plane of two axes."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from feature_manifold.core.arrays import Float64Array

THICKNESS = 0.1
"""Points farther off than this share of the radius lose their weight: Cauchy's loss."""

LEAST_RATIO = 1 / 3
"""Of an ellipse's axes. A flatter one is no ring."""

LARGEST = 4.0
"""A half axis that is longer, in the types' RMS radius, belongs to an arc and not to a ring."""

MOST_STEPS = 60


@dataclass(frozen=True)
class Ring:
    """An ellipse in a frame of two axes.

    Attributes
    ----------
    plane
        float64 (2, 2), orthonormal: zero of the angle, and a quarter turn on.
    centre
        float64 (2,), in the plane.
    unit
        float64 (2, 2), symmetric: takes the ellipse about its centre to the unit circle.
    held_out
        float64 (m,), distance of each token type from the ring fitted to the others, to first
        order.
    """

    plane: Float64Array
    centre: Float64Array
    unit: Float64Array
    held_out: Float64Array

    kind = "circle"
    periodic = (True,)

    @property
    def volume(self) -> float:
        """Length of the ellipse (Ramanujan's second approximation, to 1e-4 at these ratios)."""
        long, short = 1 / np.abs(np.linalg.eigvalsh(self.unit))
        h = ((long - short) / (long + short)) ** 2
        return float(np.pi * (long + short) * (1 + 3 * h / (10 + np.sqrt(4 - 3 * h))))

    def locate(self, points: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Return the angle, float64 (n, 1) in [0, 2 pi), and the ring's point there, (n, 2)."""
        turned = (points @ self.plane.T - self.centre) @ self.unit
        angle = np.arctan2(turned[:, 1], turned[:, 0])
        at = np.column_stack([np.cos(angle), np.sin(angle)]) @ np.linalg.inv(self.unit)
        return (angle % (2 * np.pi))[:, None] % (2 * np.pi), (at + self.centre) @ self.plane


def fit_ring(points: Float64Array, compass: Float64Array) -> Ring | None:
    """Fit a circle, or an ellipse where that comes closer to types that were left out.

    Parameters
    ----------
    points
        float64 (m, 2), means of the token types in a frame of two axes.
    compass
        float64 (2, 2), as in a frame.

    Returns
    -------
    Ring or None
        None if no ring fits, or there are fewer than four types.
    """
    start = _algebraic(points)
    if start is None:
        return None
    plane = oriented(np.eye(2), compass)
    fits = [_fit(points, plane, start, n) for n in (3, 5) if len(points) > n + n // 4]
    found = [ring for ring in fits if ring is not None]
    return min(found, key=lambda ring: float(np.median(ring.held_out)), default=None)


def oriented(plane: Float64Array, compass: Float64Array) -> Float64Array:
    """Turn a plane's two axes (2, c) so that they depend on the plane alone.

    The first looks along the first fixed direction of ``compass`` (2, c), and the second to the
    side on which the second one lies. So the zero of an angle, and what is clockwise, change
    little when the plane does, even if the axes that span it change places.
    """
    first, second = compass @ plane.T
    along = first / max(float(np.linalg.norm(first)), 1e-300)
    across = np.array([-along[1], along[0]])
    turned: Float64Array = np.stack([along, across if across @ second >= 0 else -across]) @ plane
    return turned


def _fit(
    points: Float64Array,
    plane: Float64Array,
    start: tuple[Float64Array, float],
    n_params: int,
) -> Ring | None:
    """Refine an algebraic start by least Sampson distance, robustly; None if it is no ring."""
    flat = points @ plane.T
    centre, radius = plane @ start[0], start[1]
    found = least_squares(
        lambda params: _sampson(params, flat),
        [*centre, 1 / radius, 1 / radius, 0.0][:n_params],
        loss="cauchy",
        f_scale=THICKNESS * radius,
        max_nfev=MOST_STEPS,
        x_scale=np.array([radius, radius, 1 / radius, 1 / radius, 1 / radius][:n_params]),
    )
    centre, unit = _unpacked(found.x)
    short, long = np.linalg.eigvalsh(unit)
    spread = float(np.sqrt(((flat - flat.mean(0)) ** 2).sum(1).mean()))
    if short <= LEAST_RATIO * long or short * LARGEST * spread < 1:
        return None
    held_out = np.abs(_sampson(found.x, flat)) / _outside(found.jac)
    return Ring(plane, centre, unit, held_out)


def _algebraic(flat: Float64Array) -> tuple[Float64Array, float] | None:
    """Return centre and radius of the circle of least algebraic error (Kåsa 1976), reweighted."""
    weight = np.ones(len(flat))
    for _ in range(5):
        design = np.column_stack([2 * flat, np.ones(len(flat))])
        root = np.sqrt(weight)
        solution = np.linalg.lstsq(design * root[:, None], (flat**2).sum(1) * root, rcond=None)[0]
        square = float(solution[2] + solution[:2] @ solution[:2])
        if square <= 0:
            return None
        centre, radius = solution[:2], float(np.sqrt(square))
        off = np.linalg.norm(flat - centre, axis=1) / radius - 1
        weight = 1 / (1 + (off / THICKNESS) ** 2)
    return centre, radius


def _unpacked(params: Float64Array) -> tuple[Float64Array, Float64Array]:
    if len(params) == 3:
        return params[:2], np.eye(2) * params[2]
    return params[:2], np.array([[params[2], params[4]], [params[4], params[3]]])


def _sampson(params: Float64Array, flat: Float64Array) -> Float64Array:
    """Return distances to first order (Sampson 1982): F / |grad F| with F = |u|^2 - 1."""
    centre, unit = _unpacked(params)
    turned = (flat - centre) @ unit
    slope = 2 * np.linalg.norm(turned @ unit, axis=1)
    distance: Float64Array = ((turned**2).sum(1) - 1) / np.maximum(slope, 1e-12)
    return distance


def _outside(jacobian: Float64Array) -> Float64Array:
    """Return 1 - leverage of each point, at least 0.05: what its residual is divided by."""
    basis, _ = np.linalg.qr(jacobian)
    outside: Float64Array = np.maximum(1 - (basis**2).sum(1), 0.05)
    return outside
