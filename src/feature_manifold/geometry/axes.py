"""Signs and order of principal axes: fixed by a rule, or by the axes of a neighbouring cluster.

A PCA leaves signs open, and with two variances close the order of two axes hangs on a few points.
Pictures of neighbouring clusters should not flip for that.
"""

import numpy as np
import scipy.optimize

from feature_manifold.core.arrays import Array, Float64Array, Int64Array

CLOSE = 1.25
"""Axes whose variances differ by at most this factor may change places to follow a reference."""

EQUALLY_FAR = 1 - 1e-6
"""Members reach equally far along an axis if their reaches differ by less."""

NO_OVERLAP = 1e-6
"""Cosine below which an axis has nothing to follow."""


def default_signs(arrows: Array) -> Float64Array:
    """Return the sign, 1 or -1, (q,), that makes the furthest member of each axis point upwards.

    Parameters
    ----------
    arrows
        float64 (k, q), members' coordinates along the axes. Of members equally far, the first
        counts.
    """
    reach = np.abs(arrows)
    first = np.argmax(reach >= EQUALLY_FAR * reach.max(axis=0, initial=0), axis=0)
    return np.where(arrows[first, np.arange(arrows.shape[1])] < 0, -1.0, 1.0)


def followed(variances: Array, overlap: Array, *, n_axes: int) -> tuple[Int64Array, Float64Array]:
    """Choose axes for the first places, and their signs, after a reference.

    A place may be taken by any axis whose variance is within ``CLOSE`` of the variance that is
    there by rank. Of all such assignments the one is taken with the greatest sum of squared cosines
    between each axis and the reference's axis in the same place. Each axis then takes the sign of
    the reference axis to which it is closest, whatever its place.

    Parameters
    ----------
    variances
        float64 (q,), falling, positive.
    overlap
        float64 (q, m), cosines of the axes with the reference's.
    n_axes
        Places to fill, at most q.

    Returns
    -------
    tuple
        int64 (n_axes,), the axis in each place, and float64 (n_axes,), 1 or -1 to multiply it with.
    """
    n_followed = min(n_axes, overlap.shape[1])
    gain = np.zeros((n_axes, len(variances)))
    gain[:n_followed] = overlap[:, :n_followed].T ** 2
    # Where the reference does not tell, the order is by variance.
    gain += 1e-9 * np.eye(n_axes, len(variances))
    ratio = variances[:n_axes, None] / variances
    is_far = np.maximum(ratio, 1 / ratio) > CLOSE
    _, places = scipy.optimize.linear_sum_assignment(np.where(is_far, n_axes + 1.0, -gain))
    return places, _followed_signs(overlap[places])


def _followed_signs(overlap: Array) -> Float64Array:
    if overlap.size == 0:
        return np.ones(len(overlap))
    closest = np.take_along_axis(overlap, np.abs(overlap).argmax(axis=1)[:, None], axis=1)[:, 0]
    return np.where(closest < -NO_OVERLAP, -1.0, 1.0)
