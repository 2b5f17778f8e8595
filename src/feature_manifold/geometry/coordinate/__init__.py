"""The coordinate of a cluster: what shape it has, where each token lies, and what latents do there.

``fit_coordinate`` places every token on a circle, curve or surface. ``tuning_curves`` says how each
member answers along it, ``measure_tiling`` how they share it, ``ordered_types`` and
``largest_gaps`` where the token types lie, ``missing_members`` and ``influences`` who should join
and who could go; ``measure_coordinate`` has the figures for a table.
"""

from feature_manifold.geometry.coordinate.choice import KINDS
from feature_manifold.geometry.coordinate.coordinate import Coordinate, fit_coordinate
from feature_manifold.geometry.coordinate.impostors import Influence, influences
from feature_manifold.geometry.coordinate.measure import COORDINATE_MEASURES, measure_coordinate
from feature_manifold.geometry.coordinate.missing import (
    MissingMember,
    MissingMembers,
    missing_members,
)
from feature_manifold.geometry.coordinate.order import Gap, largest_gaps, ordered_types
from feature_manifold.geometry.coordinate.tiling import VERDICTS, Tiling, measure_tiling
from feature_manifold.geometry.coordinate.tuning import TuningCurves, tuning_curves

__all__ = [
    "COORDINATE_MEASURES",
    "KINDS",
    "VERDICTS",
    "Coordinate",
    "Gap",
    "Influence",
    "MissingMember",
    "MissingMembers",
    "Tiling",
    "TuningCurves",
    "fit_coordinate",
    "influences",
    "largest_gaps",
    "measure_coordinate",
    "measure_tiling",
    "missing_members",
    "ordered_types",
    "tuning_curves",
]
