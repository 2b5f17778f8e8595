"""What measuring returns, and how much work it may do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from feature_manifold.core.arrays import Float64Array
from feature_manifold.core.errors import InputError


@dataclass(frozen=True)
class Null:
    """A statistic where the structure in question was destroyed.

    Attributes
    ----------
    median, low, high
        Median, 5 % and 95 % quantile of the draws.
    p
        (1 + draws that are at least as much evidence as ``observed``) / (1 + draws), before any
        correction for the number of clusters tried; NaN where the measure says nothing by itself.
    observed
        The statistic of the real data, on as many points as each draw has. It differs from the
        measure's value, which is of all points: size bias is the same in it and in the draws.
    draws
        float64 (rounds,), for `max_statistic`; NaN where a draw has no value.
    """

    median: float
    low: float
    high: float
    p: float
    observed: float
    draws: Float64Array = field(repr=False)


@dataclass(frozen=True)
class Measured:
    """A measure of a cluster. NaN means not applicable, never bad.

    Attributes
    ----------
    value
        On all points, unless the measure says otherwise.
    low, high
        Interval: 95 %, or a band of stability where the measure says so.
    nulls
        By name: ``shuffle``, ``spectrum``, ``labels``; those that apply.
    """

    value: float
    low: float = float("nan")
    high: float = float("nan")
    nulls: Mapping[str, Null] = field(default_factory=dict)


def _go_on() -> None:
    """Let the work go on."""


@dataclass(frozen=True)
class Effort:
    """How much work measuring a cluster may do.

    Attributes
    ----------
    rounds
        Draws from each null; the least p is 1 / (1 + rounds).
    resamples
        Samples behind each interval.
    points
        Points of a draw or sample, at most: seeded, without replacement.
    neighbours
        Points of one TwoNN estimate, at most: it has to be of the same scale everywhere.
    parts
        TwoNN estimates that are averaged for the value, at most, on different points.
    landmarks
        Landmarks for the value of the loops.
    pool
        Points from which they are chosen, at most: seeded.
    drawn_landmarks
        Landmarks in a draw or sample.
    ascended
        Points on which the published search for the mixture index runs, at most.
    angles, directions
        Rotations and slab directions in a draw or sample; the values take all.
    check
        Called before each draw and sample; raises if nobody waits for the result any more.
    """

    rounds: int
    resamples: int
    points: int
    neighbours: int
    parts: int
    landmarks: int
    pool: int
    drawn_landmarks: int
    ascended: int
    angles: int
    directions: int
    check: Callable[[], None] = field(default=_go_on, compare=False, repr=False)


EFFORTS: Mapping[str, Effort] = {
    "survey": Effort(
        rounds=19,
        resamples=10,
        points=1024,
        neighbours=512,
        parts=4,
        landmarks=128,
        pool=4096,
        drawn_landmarks=40,
        ascended=512,
        angles=25,
        directions=45,
    ),
    "full": Effort(
        rounds=199,
        resamples=100,
        points=2048,
        neighbours=512,
        parts=128,
        landmarks=400,
        pool=1 << 16,
        drawn_landmarks=64,
        ascended=4096,
        angles=25,
        directions=90,
    ),
}
"""``survey`` for each of a thousand candidates, ``full`` for one cluster on request."""


def effort_of(effort: Effort | str) -> Effort:
    """Return an effort by name.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    if isinstance(effort, Effort):
        return effort
    if effort not in EFFORTS:
        raise InputError(f"No effort '{effort}': there are {' and '.join(EFFORTS)}.")
    return EFFORTS[effort]


def null_of(observed: float, draws: Float64Array, evidence: str | None) -> Null:
    """Summarise the draws from a null.

    Parameters
    ----------
    observed
        The statistic of the real data.
    draws
        float64 (rounds,); those that are NaN do not count.
    evidence
        ``high`` or ``low``: which values speak for a manifold; None: neither, there is no p.

    Returns
    -------
    Null
        All NaN if there is no draw or nothing observed.
    """
    finite = draws[~np.isnan(draws)]
    if not len(finite) or np.isnan(observed):
        nothing = float("nan")
        return Null(nothing, nothing, nothing, nothing, observed, draws)
    low, median, high = np.quantile(finite, [0.05, 0.5, 0.95]).tolist()
    p = float("nan")
    if evidence is not None:
        # Equal statistics may differ in the last bits; they count as equal, against the evidence.
        slack = 1e-9 * max(abs(observed), 1e-300)
        extreme = finite >= observed - slack if evidence == "high" else finite <= observed + slack
        p = (1 + int(extreme.sum())) / (1 + len(finite))
    return Null(median, low, high, p, observed, draws)
