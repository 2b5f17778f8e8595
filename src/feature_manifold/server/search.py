"""Route of the search: tokens by text, and the latents that fire on them."""

from typing import Annotated

from fastapi import APIRouter, Query

from feature_manifold.server.faults import fault_examples
from feature_manifold.server.library import ChosenExperiment, LibraryOfApp
from feature_manifold.server.schemas import SearchResult, TokenHit, TokenLatent
from feature_manifold.server.token_index import Hit, find_tokens, hit

MAX_QUERY = 200
MAX_TOKENS = 500
LATENTS_PER_TOKEN = 50

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
    limit: Annotated[int, Query(ge=1, le=MAX_TOKENS, description="At most so many tokens.")] = 50,
) -> SearchResult:
    """Match the text exactly, then without case and outer spaces, then anywhere in a token.

    A latent is found by the tokens on which it fires most; ``share`` is the part of its firings
    that are on the token.
    """
    index = library.token_index(opened)
    found = find_tokens(index, q)
    hits = [hit(index, int(entry), limit=LATENTS_PER_TOKEN) for entry in found[:limit]]
    return SearchResult(
        experiment_id=opened.experiment.id,
        query=q,
        n_tokens=len(found),
        tokens=[_token_hit(entry) for entry in hits],
    )


def _token_hit(found: Hit) -> TokenHit:
    columns = (found.latents.tolist(), found.counts.tolist(), found.shares.tolist())
    return TokenHit(
        token=found.token,
        token_id=found.token_id,
        n_latents=found.n_latents,
        latents=[
            TokenLatent(id=latent, count=count, share=share)
            for latent, count, share in zip(*columns, strict=True)
        ],
    )
