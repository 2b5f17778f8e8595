"""Route of the search: tokens by text, and the latents that fire on them."""

from typing import Annotated

from fastapi import APIRouter, Query

from feature_manifold.server.faults import fault_examples
from feature_manifold.server.library import ChosenExperiment, LibraryOfApp
from feature_manifold.server.schemas import SearchResult, TokenHit, TokenLatent

MAX_QUERY = 200
MAX_HITS = 100

router = APIRouter(tags=["search"])


@router.get(
    "/api/search",
    summary="Tokens that match a text, and the latents that fire on them",
    responses=fault_examples(401, 404, 409, 422),
)
def search(
    opened: ChosenExperiment,
    library: LibraryOfApp,
    q: Annotated[str, Query(min_length=1, max_length=MAX_QUERY, description="Text of a token.")],
    limit: Annotated[
        int, Query(ge=1, le=MAX_HITS, description="Tokens, and latents of each, at most.")
    ] = 50,
) -> SearchResult:
    """Match without case and outer spaces: equal tokens, then beginnings, then the rest.

    A latent is found by the tokens on which it fires most; ``share`` is the part of its firings
    that are on the token.
    """
    hits = library.token_search(opened).find(q, limit=limit)
    return SearchResult(
        experiment_id=opened.experiment.id,
        query=q,
        tokens=[
            TokenHit(
                token=hit.token,
                token_id=hit.token_id,
                latents=[
                    TokenLatent(id=found.latent, count=found.count, share=found.share)
                    for found in hit.latents
                ],
            )
            for hit in hits
        ],
    )
