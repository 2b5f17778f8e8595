"""The statistics of a point set and of type means, as rows of numbers in a fixed order."""

import numpy as np

from feature_manifold.core.arrays import Float64Array
from feature_manifold.geometry.measures.dimension import (
    correlation_dimension,
    participation_ratio,
    two_nn,
)
from feature_manifold.geometry.measures.loops import (
    Loops,
    landmarks,
    loops,
    regular_loop,
    unit_normalised,
)
from feature_manifold.geometry.measures.planes import (
    MOST_COMPONENTS,
    PlaneMeasures,
    best_plane,
    engels_score,
    plane_measures,
    principal_of,
)
from feature_manifold.geometry.measures.results import Effort
from feature_manifold.geometry.measures.separability import quarter_angles
from feature_manifold.geometry.measures.token_types import MOST_TYPES, loops_of_means, most_regular

PLANE_STATISTICS = ("separability", "separability_corrected", "mixture", "engels_score")
LOOP_STATISTICS = ("loop", "loop_second", "loop_ratio", "loop_death_over_birth")
POINT_STATISTICS = (
    *PLANE_STATISTICS,
    "intrinsic_dimension",
    "participation_ratio",
    *LOOP_STATISTICS,
)
TYPE_STATISTICS = (
    "angular_regularity",
    "type_loop",
    "type_loop_second",
    "type_loop_ratio",
    "type_dimension",
    "type_participation_ratio",
)


def point_statistics(points: Float64Array, level: Effort) -> Float64Array:
    """Return `POINT_STATISTICS` of a draw or sample.

    Parameters
    ----------
    points
        float64 (n, r), in random order: TwoNN takes the first ones.
    level
        Says of how many neighbours, landmarks, rotations and directions.
    """
    level.check()
    found = principal_of(points)
    components = (points - found.mean) @ found.axes[:MOST_COMPONENTS].T
    planes = plane_measures(
        components, angles=quarter_angles(level.angles), n_directions=level.directions
    )
    return np.array(
        [
            *plane_row(planes),
            two_nn(points[: level.neighbours]),
            participation_ratio(found.variances),
            *loop_row(loops_of_points(points, level.drawn_landmarks)),
        ]
    )


def plane_row(planes: list[PlaneMeasures]) -> tuple[float, ...]:
    """Return `PLANE_STATISTICS`."""
    best = best_plane(planes)
    if best is None:
        return (float("nan"),) * len(PLANE_STATISTICS)
    return best.separability, best.corrected, best.mixture, engels_score(planes)


def loops_of_points(points: Float64Array, n_landmarks: int) -> Loops:
    """Return the loops of farthest-point landmarks of points (n, r) at length one."""
    directions = unit_normalised(points)
    return loops(directions[landmarks(directions, n_landmarks)])


def loop_row(found: Loops) -> tuple[float, ...]:
    """Return `LOOP_STATISTICS`."""
    return found.longest, found.second, found.ratio, found.death_over_birth


def type_statistics(means: Float64Array) -> Float64Array:
    """Return `TYPE_STATISTICS` of mean points (n_types, r)."""
    if len(means) < 3:
        return np.full(len(TYPE_STATISTICS), np.nan)
    found = loops_of_means(means)
    polygon = regular_loop(min(len(means), MOST_TYPES))
    return np.array(
        [
            most_regular(means),
            found.longest / polygon,
            found.second / polygon,
            found.ratio,
            correlation_dimension(means),
            participation_ratio(principal_of(means).variances),
        ]
    )
