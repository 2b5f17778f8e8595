"""Answers about the points of a cluster. Pulls in numba: imported when first asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from feature_manifold.core.arrays import Array, Int64Array
from feature_manifold.core.errors import InputError
from feature_manifold.examples.pages import token_text
from feature_manifold.geometry.cloud import Cloud
from feature_manifold.geometry.clusters.core import core_tokens
from feature_manifold.geometry.pca import Pca, arrows, fit_pca, project
from feature_manifold.geometry.sampling import DisplaySample, display_sample
from feature_manifold.server.clouds import Clouds
from feature_manifold.server.cluster_schemas import (
    MAX_COMPONENTS,
    MAX_POINTS,
    CloudQuestion,
    PcaQuestion,
    PointQuestion,
    Reference,
)
from feature_manifold.server.faults import AnswerTooLongError
from feature_manifold.server.library import OpenExperiment
from feature_manifold.server.work import Job
from feature_manifold.store.experiment import Experiment

# Twenty thousand points of 32 coordinates: 8 MB of JSON.
MAX_JSON_NUMBERS = 1 << 20
# As many as principal axes may have: 256 MB as binary body, five times that while it is made.
MAX_NUMBERS = MAX_POINTS * MAX_COMPONENTS


@dataclass(frozen=True)
class PointsAnswer:
    """An answer in both forms.

    Attributes
    ----------
    facts
        What is no array of points, as JSON values.
    arrays
        By name: float32 (m, c) points, and the columns of the points.
    texts
        Text of each vocabulary entry that occurs in the columns.
    """

    facts: Mapping[str, Any]
    arrays: Mapping[str, Array]
    texts: Mapping[int, str]

    def to_json(self) -> dict[str, Any]:
        """Return the answer as JSON values and arrays.

        Raises
        ------
        AnswerTooLongError
            If it would hold too many numbers.
        """
        n_numbers = sum(array.size for array in self.arrays.values() if array.ndim > 1)
        if n_numbers > MAX_JSON_NUMBERS:
            raise AnswerTooLongError(
                f"{n_numbers:,} coordinates are too many for JSON (at most {MAX_JSON_NUMBERS:,}). "
                "Lower max_points, or send the header Accept: application/octet-stream."
            )
        values = {**self.facts, **self.arrays}
        if "token_ids" in self.arrays:
            ids = self.arrays["token_ids"].tolist()
            values["texts"] = [self.texts[token_id] for token_id in ids]
        return values

    def to_binary(self) -> tuple[Mapping[str, Array], dict[str, Any]]:
        """Return the arrays and the facts of a binary body, the text of every entry once."""
        facts = dict(self.facts)
        if "token_ids" in self.arrays:
            facts["texts"] = {str(token_id): text for token_id, text in self.texts.items()}
        return self.arrays, facts


@dataclass(frozen=True)
class Filtered:
    """A cloud as it was asked for.

    Attributes
    ----------
    n_points
        Points of the whole cloud.
    kept
        What is fitted.
    sample, shown
        What is shown of it.
    """

    n_points: int
    kept: Cloud
    sample: DisplaySample
    shown: Cloud


def cloud_answer(
    clouds: Clouds, opened: OpenExperiment, asked: CloudQuestion, job: Job
) -> PointsAnswer:
    """Answer with points in the basis of the cluster.

    Raises
    ------
    AnswerTooLongError
        If they have too many coordinates.
    """
    chosen = filtered(clouds.cloud(opened, asked.latents, job), asked, job)
    n_numbers = chosen.shown.n_points * chosen.shown.coordinates.shape[1]
    if n_numbers > MAX_NUMBERS:
        raise AnswerTooLongError(
            f"{n_numbers:,} coordinates are too many for one answer (at most {MAX_NUMBERS:,}). "
            "Lower max_points, or ask for principal axes."
        )
    points = chosen.shown.points()
    if asked.unit:
        points *= chosen.shown.unit_scales()[:, None]
    facts = {"n_dimensions": points.shape[1]}
    return _answer(opened.experiment, asked, chosen, points.astype(np.float32), facts)


def pca_answer(
    clouds: Clouds, opened: OpenExperiment, asked: PcaQuestion, job: Job
) -> PointsAnswer:
    """Answer with points along principal axes."""
    chosen = filtered(clouds.cloud(opened, asked.latents, job), asked, job)
    pca = _pca(opened, chosen.kept, asked, _reference(clouds, opened, asked, job))
    job.check()
    facts = {
        "fit_on": asked.fit_on,
        "n_fitted": pca.n_fitted,
        "rank": pca.rank,
        "axes": _axes(pca),
        "arrows": arrows(chosen.kept, pca).tolist(),
    }
    return _answer(opened.experiment, asked, chosen, project(chosen.shown, pca), facts)


def _axes(pca: Pca) -> list[dict[str, Any]]:
    columns = (pca.variances.tolist(), pca.share.tolist(), pca.axes.tolist())
    return [
        {
            "label": f"PC{number} ({100 * share:.1f} %)",
            "variance": variance,
            "share": share,
            "direction": direction,
        }
        for number, (variance, share, direction) in enumerate(zip(*columns, strict=True), 1)
    ]


def filtered(cloud: Cloud, asked: PointQuestion, job: Job) -> Filtered:
    """Leave out the points that are not wanted, and choose those that are shown."""
    kept = _kept(cloud, asked, job)
    sample = display_sample(kept, asked.max_points, asked.seed)
    job.check()
    return Filtered(cloud.n_points, kept, sample, kept.selected(sample.rows))


def _kept(cloud: Cloud, asked: PointQuestion, job: Job) -> Cloud:
    job.check()
    if asked.min_norm > 0 or asked.min_active > 1:
        cloud = cloud.selected(cloud.kept(min_norm=asked.min_norm, min_active=asked.min_active))
        job.check()
    return cloud


def _pca(opened: OpenExperiment, cloud: Cloud, asked: PcaQuestion, reference: Pca | None) -> Pca:
    token_ids: Array | None = None
    types: Array | None = None
    if asked.fit_on != "points":
        token_ids = opened.experiment.tokens.token_id[cloud.tokens]
        if asked.fit_on == "core_means":
            types = core_of(opened, cloud, token_ids)
    return fit_pca(
        cloud,
        asked.n_components,
        centred=asked.centred,
        unit=asked.unit,
        fit_on="points" if asked.fit_on == "points" else "type_means",
        token_ids=token_ids,
        types=types,
        reference=reference,
    )


def core_of(opened: OpenExperiment, cloud: Cloud, token_ids: Array) -> Int64Array:
    """Return the token types on which a cluster usually fires strongly, int64 (n,)."""
    mass = np.asarray(cloud.activations.sum(axis=1)).ravel()
    return core_tokens(mass, token_ids, occurrences=opened.occurrences)


def _reference(clouds: Clouds, opened: OpenExperiment, asked: PcaQuestion, job: Job) -> Pca | None:
    if asked.reference is None:
        return None
    cloud = clouds.cloud(opened, asked.reference.latents, job)
    if asked.reference.directions is None:
        return _pca(opened, _kept(cloud, asked, job), asked, None)
    axes = _directions(asked.reference, cloud)
    n_axes = len(axes)
    return Pca(
        mean=np.zeros(axes.shape[1]),
        axes=axes,
        variances=np.ones(n_axes),
        share=np.zeros(n_axes),
        basis=cloud.basis,
        rank=n_axes,
        n_fitted=0,
    )


def _directions(reference: Reference, cloud: Cloud) -> Array:
    given, width = reference.directions or [], cloud.coordinates.shape[1]
    if any(len(direction) != width for direction in given):
        raise InputError(
            f"reference.directions: expected {width} numbers in each, as many as the dimensions "
            "of the reference's cloud. Send those of its answer."
        )
    axes = np.array(given, dtype=np.float64).reshape(len(given), width)
    if not np.allclose(axes @ axes.T, np.eye(len(axes)), atol=1e-3):
        raise InputError(
            "reference.directions: expected unit vectors at right angles. Send those of an answer."
        )
    return axes


def _answer(
    experiment: Experiment,
    asked: CloudQuestion,
    chosen: Filtered,
    points: Array,
    facts: Mapping[str, Any],
) -> PointsAnswer:
    """Put together what the answers with points share."""
    shown = chosen.shown
    token_ids = experiment.tokens.token_id[shown.tokens]
    columns = {
        "points": points,
        "tokens": shown.tokens,
        "token_ids": token_ids,
        "n_active": shown.n_active.astype(np.uint16),
        "strongest": strongest(shown),
    }
    common = sample_facts(experiment, asked, chosen)
    return PointsAnswer({**common, **facts}, columns, texts_of(experiment.vocabulary, token_ids))


def sample_facts(experiment: Experiment, asked: PointQuestion, chosen: Filtered) -> dict[str, Any]:
    """Return what cloud the points are of, and how those shown were chosen."""
    sample = chosen.sample
    return {
        "experiment_id": experiment.id,
        "latents": chosen.kept.latents.tolist(),
        "n_points": chosen.n_points,
        "n_kept": sample.n_points,
        "n_shown": sample.n_shown,
        "sampling": {
            "method": "all" if sample.n_shown == sample.n_points else "stratified",
            "seed": asked.seed,
            "points_by_latent": sample.of.tolist(),
            "shown_by_latent": sample.shown.tolist(),
        },
    }


def strongest(cloud: Cloud) -> Array:
    """Return the latent with the greatest activation at each point, uint32 (n,).

    Of latents equally active, the first.
    """
    activations = cloud.activations
    if not cloud.n_points:
        return np.zeros(0, dtype=np.uint32)
    greatest = np.maximum.reduceat(activations.data, activations.indptr[:-1])
    places = np.flatnonzero(activations.data == np.repeat(greatest, cloud.n_active))
    first = places[np.searchsorted(places, activations.indptr[:-1])]
    return np.asarray(cloud.latents[activations.indices[first]], dtype=np.uint32)


def texts_of(vocabulary: Sequence[str], token_ids: Array) -> dict[int, str]:
    """Return the text of each vocabulary entry among ``token_ids``."""
    return {found: token_text(vocabulary, found) for found in np.unique(token_ids).tolist()}
