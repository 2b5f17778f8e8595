"""Route of the experiments: what there is to look at."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter
from pydantic import ValidationError

from feature_manifold.core.errors import CorruptArtifactError, FmiError, MissingArtifactError
from feature_manifold.server.faults import fault_examples, without_root
from feature_manifold.server.library import LibraryOfApp
from feature_manifold.server.schemas import ExperimentList, ExperimentSummary
from feature_manifold.store.experiment import Experiment
from feature_manifold.store.manifest import read_manifest

router = APIRouter(tags=["experiments"])


@router.get(
    "/api/experiments",
    summary="All experiments and what has been computed of each",
    responses=fault_examples(401),
)
def experiments(library: LibraryOfApp) -> ExperimentList:
    """List the experiments; one that cannot be read is listed with its problem."""
    found = library.experiments()
    return ExperimentList(experiments=[_listed(each, library.data_root) for each in found])


def _listed(experiment: Experiment, root: Path) -> ExperimentSummary:
    try:
        return _summary(experiment)
    except FmiError as error:
        return ExperimentSummary(
            id=experiment.id,
            **dict.fromkeys(_FROM_METADATA),
            n_firings=None,
            layouts=[],
            edges=[],
            has_examples=False,
            has_clusters=False,
            problem=without_root(str(error), root),
        )


# Field of the answer: key in metadata.json.
_FROM_METADATA = {
    "model": "model_name",
    "layer": "layer",
    "sae_width": "sae_width",
    "sae_l0": "sae_l0",
    "num_tokens": "num_tokens",
    "n_latents": "n_latents",
    "d_model": "d_model",
}


def _summary(experiment: Experiment) -> ExperimentSummary:
    metadata = experiment.metadata
    values: dict[str, Any] = {name: metadata.get(key) for name, key in _FROM_METADATA.items()}
    try:
        n_firings = experiment.by_latent.n_firings
        values["n_latents"] = experiment.by_latent.n_latents
    except MissingArtifactError:
        n_firings = None
    try:
        return ExperimentSummary(
            id=experiment.id,
            **values,
            n_firings=n_firings,
            layouts=experiment.layouts(),
            edges=experiment.edge_kinds(),
            has_examples=read_manifest(experiment.paths.examples) is not None,
            has_clusters=read_manifest(experiment.paths.clusters) is not None,
            problem=None,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise CorruptArtifactError(
            f"{experiment.id}/metadata.json: {first['loc'][0]}: {first['msg']}."
        ) from error
