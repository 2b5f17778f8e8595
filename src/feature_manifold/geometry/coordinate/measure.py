"""Measures of a cluster along its fitted coordinate, as a table has them."""

from collections.abc import Mapping

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import InputError
from feature_manifold.geometry.cloud import Cloud
from feature_manifold.geometry.coordinate.choice import KINDS
from feature_manifold.geometry.coordinate.coordinate import fit_coordinate
from feature_manifold.geometry.coordinate.tiling import VERDICTS, measure_tiling
from feature_manifold.geometry.coordinate.tuning import tuning_curves
from feature_manifold.geometry.measures.results import Effort, Measured, effort_of

COORDINATE_MEASURES = (
    "shape_kind",
    "shape_gain",
    "shape_explained",
    "tiling",
    "tiling_coverage",
    "tiling_active",
    "tiling_overlap",
    "tiling_verdict",
)
"""``shape_kind`` is a place in ``KINDS``, ``tiling_verdict`` one in ``VERDICTS``."""


def measure_coordinate(
    cloud: Cloud,
    token_ids: Array,
    *,
    core_types: Array | None = None,
    seed: int = 0,
    effort: Effort | str = "survey",
) -> Mapping[str, Measured]:
    """Fit a coordinate and measure it, by the names of ``COORDINATE_MEASURES``.

    Parameters
    ----------
    cloud, token_ids, core_types, seed
        As ``fit_coordinate`` takes them.
    effort
        As ``measures.measure_cloud`` takes it.

    Returns
    -------
    Mapping
        All NaN if there are too few core types for a coordinate.

    Raises
    ------
    InputError
        If there is not one token id per point, or no such effort.
    """
    level = effort_of(effort)
    if len(token_ids) != cloud.n_points:
        raise InputError(f"{len(token_ids):,} token ids for a cloud of {cloud.n_points:,} points.")
    try:
        fitted = fit_coordinate(cloud, token_ids, core_types=core_types, seed=seed)
    except InputError:
        return {name: Measured(float("nan")) for name in COORDINATE_MEASURES}
    found = measure_tiling(
        cloud,
        fitted,
        tuning_curves(cloud, fitted),
        seed=seed,
        rounds=level.rounds,
        resamples=level.resamples,
    )
    return {
        "shape_kind": Measured(float(KINDS.index(fitted.kind))),
        "shape_gain": Measured(fitted.gains[fitted.kind]),
        "shape_explained": Measured(fitted.explained),
        "tiling": found.tiling,
        "tiling_coverage": Measured(found.coverage),
        "tiling_active": Measured(found.active),
        "tiling_overlap": Measured(found.overlap),
        "tiling_verdict": Measured(float(VERDICTS.index(found.verdict))),
    }
