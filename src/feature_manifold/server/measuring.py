"""Answers about the shape of a cluster. Pulls in numba: imported when first asked for."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from feature_manifold.core.arrays import Array
from feature_manifold.core.concepts import Concept
from feature_manifold.core.errors import InputError
from feature_manifold.examples.pages import token_text
from feature_manifold.geometry.cloud import Cloud
from feature_manifold.geometry.coordinate.coordinate import Coordinate, fit_coordinate
from feature_manifold.geometry.coordinate.impostors import influences
from feature_manifold.geometry.coordinate.missing import missing_members
from feature_manifold.geometry.coordinate.order import largest_gaps, ordered_types
from feature_manifold.geometry.coordinate.tiling import measure_tiling
from feature_manifold.geometry.coordinate.tuning import TuningCurves, tuning_curves
from feature_manifold.geometry.measures.concept import measure_concept, values_of_points
from feature_manifold.geometry.measures.measure import measure_cloud
from feature_manifold.geometry.measures.registry import CONCEPT_MEASURES, MEASURES
from feature_manifold.geometry.measures.results import EFFORTS, Measured
from feature_manifold.server.clouds import Clouds
from feature_manifold.server.coordinate_schemas import MAX_PLACES_ON_SURFACE, CoordinateQuestion
from feature_manifold.server.labels import label_of
from feature_manifold.server.library import Library, OpenExperiment
from feature_manifold.server.measure_schemas import (
    Definition,
    DefinitionList,
    MeasureAnswer,
    MeasuredBody,
    MeasureQuestion,
    NullBody,
)
from feature_manifold.server.points import PointsAnswer, core_of, filtered, sample_facts
from feature_manifold.server.work import Job
from feature_manifold.store.experiment import Experiment


def definitions() -> DefinitionList:
    """Return what every measure is."""
    return DefinitionList(
        measures=[
            Definition(**{**vars(one), "nulls": list(one.nulls)})
            for one in (*MEASURES, *CONCEPT_MEASURES)
        ]
    )


def measure_answer(
    library: Library,
    clouds: Clouds,
    asked: MeasureQuestion,
    concept: Concept | None,
    job: Job,
) -> MeasureAnswer:
    """Measure all points of a cluster, by itself and against a concept."""
    opened = library.open(asked.experiment_id)
    cloud = clouds.cloud(opened, asked.latents, job)
    job.check()
    token_ids = opened.experiment.tokens.token_id[cloud.tokens]
    core = core_of(opened, cloud, token_ids)
    effort = replace(EFFORTS[asked.effort], check=job.check)
    found = measure_cloud(cloud, token_ids, core_types=core, seed=asked.seed, effort=effort)
    job.check()
    against: Mapping[str, Measured] = {}
    if concept is not None:
        match = library.latent_search(opened).match(concept)
        values = values_of_points(token_ids, match.token_ids, concept.values[match.steps])
        against = measure_concept(
            cloud,
            values,
            period=concept.period,
            n_steps=concept.n_steps,
            seed=asked.seed,
            effort=effort,
        )
    return MeasureAnswer(
        experiment_id=opened.experiment.id,
        latents=cloud.latents.tolist(),
        n_points=cloud.n_points,
        n_core_types=len(core),
        effort=asked.effort,
        seed=asked.seed,
        measures=[measured_body(name, one) for name, one in found.items()],
        concept=None if concept is None else concept.name,
        concept_measures=[measured_body(name, one) for name, one in against.items()],
    )


def coordinate_answer(
    clouds: Clouds, opened: OpenExperiment, asked: CoordinateQuestion, job: Job
) -> PointsAnswer:
    """Fit a coordinate, and say where everything lies on it and what the members do there."""
    experiment = opened.experiment
    chosen = filtered(clouds.cloud(opened, asked.latents, job), asked, job)
    cloud, rows = chosen.kept, chosen.sample.rows
    token_ids = experiment.tokens.token_id[cloud.tokens]
    core = core_of(opened, cloud, token_ids)
    coordinate = fit_coordinate(cloud, token_ids, core_types=core, kind=asked.kind, seed=asked.seed)
    job.check()
    curves = _curves(cloud, coordinate, asked)
    job.check()
    facts = {
        **sample_facts(experiment, asked, chosen),
        **_shape_facts(experiment, coordinate),
        **_tuning_facts(experiment, cloud, coordinate, curves, asked),
    }
    job.check()
    facts |= _member_facts(experiment, cloud, coordinate, curves, asked)
    columns = {
        "tokens": chosen.shown.tokens,
        "values": coordinate.values[rows].astype(np.float32),
        "distance": coordinate.distance[rows].astype(np.float32),
    }
    return PointsAnswer(facts, columns, {})


def _curves(cloud: Cloud, coordinate: Coordinate, asked: CoordinateQuestion) -> TuningCurves:
    if coordinate.n_axes > 1 and (asked.n_places or 0) > MAX_PLACES_ON_SURFACE:
        raise InputError(f"n_places: at most {MAX_PLACES_ON_SURFACE} along each axis of a surface.")
    return tuning_curves(cloud, coordinate, n_places=asked.n_places)


def _shape_facts(experiment: Experiment, coordinate: Coordinate) -> dict[str, Any]:
    def text(token_id: int) -> str:
        return token_text(experiment.vocabulary, token_id)

    has_order = coordinate.n_axes == 1
    order = ordered_types(coordinate) if has_order else coordinate.types
    places = np.searchsorted(coordinate.types, order)
    gaps = largest_gaps(coordinate) if has_order else ()
    return {
        "kind": coordinate.kind,
        "axes": [
            {"is_angle": bool(closes), "low": float(low), "high": float(high)}
            for closes, (low, high) in zip(coordinate.periodic, coordinate.extent, strict=True)
        ],
        "gains": {kind: number(gain) for kind, gain in coordinate.gains.items()},
        "explained": float(coordinate.explained),
        "types": [
            {
                "token_id": int(coordinate.types[place]),
                "text": text(int(coordinate.types[place])),
                "values": coordinate.type_values[place].tolist(),
                "distance": float(coordinate.type_distance[place]),
            }
            for place in places.tolist()
        ],
        "gaps": [
            {**vars(gap), "before_text": text(gap.before), "after_text": text(gap.after)}
            for gap in gaps
        ],
    }


def _tuning_facts(
    experiment: Experiment,
    cloud: Cloud,
    coordinate: Coordinate,
    curves: TuningCurves,
    asked: CoordinateQuestion,
) -> dict[str, Any]:
    tiling = measure_tiling(cloud, coordinate, curves, seed=asked.seed)
    return {
        "places": curves.centres.tolist(),
        "counts": curves.counts.tolist(),
        "active": numbers(curves.active),
        "tuning": [
            {
                "latent": latent,
                "label": label_of(experiment, latent),
                "mean": numbers(curves.mean[at]),
                "firing": numbers(curves.firing[at]),
                "peak": numbers(curves.peak[at]),
                "width": number(curves.width[at]),
                "peak_to_mean": number(curves.peak_to_mean[at]),
                "is_hub": bool(curves.is_hub[at]),
            }
            for at, latent in enumerate(curves.latents.tolist())
        ],
        "tiling": {
            **vars(tiling),
            "tiling": measured_body("tiling", tiling.tiling).model_dump(),
            "overlap": number(tiling.overlap),
        },
    }


def _member_facts(
    experiment: Experiment,
    cloud: Cloud,
    coordinate: Coordinate,
    curves: TuningCurves,
    asked: CoordinateQuestion,
) -> dict[str, Any]:
    missing = missing_members(
        cloud,
        coordinate,
        curves,
        experiment.by_token,
        experiment.decoder,
        n_firings=experiment.statistics["count"],
        seed=asked.seed,
    )
    return {
        "influences": [vars(one) for one in influences(cloud, coordinate)],
        "missing": [
            {**vars(one), "label": label_of(experiment, one.latent)} for one in missing.members
        ],
        "n_looked_at": missing.n_looked_at,
        "n_tokens_read": missing.n_tokens_read,
        "n_core_tokens": missing.n_core_tokens,
    }


def measured_body(name: str, measured: Measured) -> MeasuredBody:
    """Return a measure as it is sent."""
    return MeasuredBody(
        name=name,
        value=number(measured.value),
        low=number(measured.low),
        high=number(measured.high),
        nulls=[
            NullBody(
                name=null_name,
                median=number(null.median),
                low=number(null.low),
                high=number(null.high),
                p=number(null.p),
                observed=number(null.observed),
            )
            for null_name, null in measured.nulls.items()
        ],
    )


def number(value: float) -> float | None:
    """Return a number, or None where it is not applicable."""
    return float(value) if math.isfinite(value) else None


def numbers(values: Array) -> list[float | None]:
    """Return each number, or None where it is not applicable."""
    return [number(value) for value in values.tolist()]
