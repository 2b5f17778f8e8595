"""Routes of the latents: all of them as columns, one of them as a page."""

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.examples.contexts import corpus_tokens
from feature_manifold.examples.pages import UNKNOWN_TOKEN, latent_page
from feature_manifold.server.bodies import finite, json_answer
from feature_manifold.server.faults import AnswerTooLongError, fault_examples
from feature_manifold.server.library import ChosenExperiment
from feature_manifold.server.schemas import LatentColumns, LatentPageBody
from feature_manifold.store.experiment import Experiment

MAX_LATENTS = 1 << 21

router = APIRouter(tags=["latents"])


@router.get(
    "/api/latents",
    summary="Label, firings and greatest activation of every latent, as columns",
    response_model=LatentColumns,
    responses=fault_examples(401, 404, 409, 413, 422),
)
def latents(request: Request, opened: ChosenExperiment) -> Response:
    """Send three columns; index = latent id."""
    return json_answer(request, opened.digest, lambda: _columns(opened.experiment))


def _columns(experiment: Experiment) -> dict[str, Any]:
    statistics = experiment.statistics
    n_latents = len(statistics)
    if n_latents > MAX_LATENTS:
        raise AnswerTooLongError(
            f"{n_latents:,} latents are more than one answer holds (at most {MAX_LATENTS:,})."
        )
    return {
        "experiment_id": experiment.id,
        "n_latents": n_latents,
        "num_tokens": corpus_tokens(experiment.tokens),
        "labels": _labels(statistics, experiment.vocabulary),
        "total_firings": np.ascontiguousarray(statistics["count"]),
        "max_activation": finite("latents/statistics.npy", np.ascontiguousarray(statistics["max"])),
    }


def _labels(statistics: Array, vocabulary: list[str]) -> list[str | None]:
    token_ids = np.array(statistics["label_token_id"])
    greatest = int(token_ids.max(initial=-1))
    if greatest >= len(vocabulary):
        raise CorruptArtifactError(
            f"latents/statistics.npy: token id {greatest} is not among the {len(vocabulary):,} of "
            "corpus/vocabulary.json. Make the index again with: "
            "fmi run CONFIG.yaml --only index --force"
        )
    # The last two entries are what -2 and -1 pick: an unknown token, and no firing at all.
    texts = np.array([*vocabulary, UNKNOWN_TOKEN, None], dtype=object)
    token_ids[token_ids < 0] = -2
    token_ids[statistics["count"] == 0] = -1
    labels: list[str | None] = texts[token_ids].tolist()
    return labels


@router.get(
    "/api/latent/{latent_id}",
    summary="One latent: label, statistics, histogram, examples",
    responses=fault_examples(401, 404, 409, 422),
)
def latent(
    opened: ChosenExperiment, latent_id: Annotated[int, Path(ge=0, description="Latent id.")]
) -> LatentPageBody:
    """Send the page of a latent, the same as the exported ``latents/{id}.json``."""
    page = latent_page(opened.experiment, latent_id)
    return LatentPageBody.model_validate(page.to_json())
