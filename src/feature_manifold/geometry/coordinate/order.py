"""The order of token types along a fitted coordinate, and arcs without any."""

from dataclasses import dataclass

import numpy as np
from scipy.special import binom

from feature_manifold.core.arrays import Int64Array
from feature_manifold.core.errors import InputError
from feature_manifold.geometry.coordinate.coordinate import Coordinate


@dataclass(frozen=True)
class Gap:
    """A stretch of the coordinate between two neighbouring token types.

    Attributes
    ----------
    before, after
        Vocabulary ids of the types at its ends, in the direction of the coordinate.
    size
        Its length, radians or the cloud's units.
    expected
        Mean size of the largest gap of as many types placed at random.
    p
        Chance that the largest of those is so large or larger.
    """

    before: int
    after: int
    size: float
    expected: float
    p: float


def ordered_types(coordinate: Coordinate) -> Int64Array:
    """Return the core token types in the order of the coordinate, int64 (m,).

    Raises
    ------
    InputError
        If the coordinate is a surface: its types have no order.
    """
    return coordinate.types[_order(coordinate)]


def largest_gaps(coordinate: Coordinate, *, n: int = 3) -> tuple[Gap, ...]:
    """Return the largest stretches without a core token type, largest first.

    On a circle, chance is m types anywhere; on a curve, whose ends are types, m - 2 between them.
    The largest of q spacings of the unit interval is above x with chance
    sum over j of (-1)^(j + 1) (q over j) (1 - j x)^(q - 1) (Fisher 1929), and (1/1 + .. + 1/q) / q
    on average.

    Raises
    ------
    InputError
        If the coordinate is a surface.
    """
    order = _order(coordinate)
    values = coordinate.type_values[order, 0]
    types = coordinate.types[order]
    closed = coordinate.periodic[0]
    span = float(coordinate.extent[0, 1] - coordinate.extent[0, 0])
    sizes = np.diff(values)
    if closed:
        sizes = np.append(sizes, values[0] + span - values[-1])
    expected = span * float((1 / np.arange(1, len(sizes) + 1)).sum()) / len(sizes)
    gaps = []
    for at in np.argsort(-sizes, kind="stable")[:n].tolist():
        size = float(sizes[at])
        before, after = int(types[at]), int(types[(at + 1) % len(types)])
        gaps.append(Gap(before, after, size, expected, chance_of_gap(size / span, len(sizes))))
    return tuple(gaps)


def chance_of_gap(share: float, n_gaps: int) -> float:
    """Return the chance that the largest of some spacings of the unit interval is above ``share``.

    Where more than ten spacings are expected to be, it is 1 to four digits, and the sum would
    cancel.
    """
    if share >= 1:
        return 0.0
    if n_gaps * (1 - share) ** (n_gaps - 1) > 10:
        return 1.0
    j = np.arange(1, n_gaps + 1)
    terms = -((-1.0) ** j) * binom(n_gaps, j) * np.maximum(1 - j * share, 0) ** (n_gaps - 1)
    return float(np.clip(terms.sum(), 0, 1))


def _order(coordinate: Coordinate) -> Int64Array:
    if coordinate.n_axes != 1:
        raise InputError("Types on a surface have no order. Fit a circle or a curve.")
    return np.argsort(coordinate.type_values[:, 0], kind="stable")
