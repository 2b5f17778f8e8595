"""Route of the text round tokens."""

import numpy as np
from fastapi import APIRouter

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import InputError
from feature_manifold.examples.passages import Passage, passages_of
from feature_manifold.server.bodies import finite
from feature_manifold.server.faults import fault_examples
from feature_manifold.server.library import LibraryOfApp
from feature_manifold.server.search_schemas import Context, ContextAnswer, ContextQuestion
from feature_manifold.store.firings import FiringsByToken

router = APIRouter(tags=["search"])


@router.post(
    "/api/contexts",
    summary="Text round tokens, and how strongly latents fire in it",
    responses=fault_examples(401, 404, 409, 413, 422),
)
def contexts(asked: ContextQuestion, library: LibraryOfApp) -> ContextAnswer:
    """Send the tokens before and after each row, from the same input of the model."""
    experiment = library.open(asked.experiment_id).experiment
    n_latents = experiment.by_latent.n_latents
    if asked.latents and max(asked.latents) >= n_latents:
        raise InputError(
            f"latents: there is no latent {max(asked.latents)}; ids run from 0 to {n_latents - 1}."
        )
    found = passages_of(experiment.tokens, experiment.vocabulary, asked.rows, context=asked.context)
    wanted = np.unique(np.asarray(asked.latents, dtype=np.uint32))
    return ContextAnswer(
        experiment_id=experiment.id,
        contexts=[
            Context(
                row=passage.row,
                token_id=passage.token_id,
                document=passage.document,
                position=passage.position,
                start=passage.start,
                marked=passage.marked,
                tokens=list(passage.tokens),
                activations=_activations(experiment.by_token, passage, wanted),
            )
            for passage in found
        ],
    )


def _activations(firings: FiringsByToken, passage: Passage, wanted: Array) -> list[float]:
    """Return the summed activation of some latents at each token of a passage."""
    n_tokens = len(passage.tokens)
    bounds = np.asarray(firings.indptr[passage.start : passage.start + n_tokens + 1])
    span = slice(int(bounds[0]), int(bounds[-1]))
    token = np.repeat(np.arange(n_tokens), np.diff(bounds))
    of_wanted = np.isin(firings.latents[span], wanted)
    values = firings.activations[span][of_wanted].astype(np.float64)
    sums = np.bincount(token[of_wanted], weights=values, minlength=n_tokens)
    summed: list[float] = finite("latents/token_activations.npy", sums).tolist()
    return summed
