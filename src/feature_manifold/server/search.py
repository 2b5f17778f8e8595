"""Routes of the search: tokens by text, latents by text, tokens, rows and labels."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request

from feature_manifold.examples.responsible import MAX_LIMIT, Responsible
from feature_manifold.server.faults import fault_examples
from feature_manifold.server.labels import label_of
from feature_manifold.server.library import ChosenExperiment, LibraryOfApp, OpenExperiment
from feature_manifold.server.schemas import SearchResult, TokenHit, TokenLatent
from feature_manifold.server.search_schemas import (
    LabelAnswer,
    LabelBody,
    ResponsibleAnswer,
    ResponsibleBody,
    RowQuestion,
    SimilarAnswer,
    SimilarBody,
    TextSearchAnswer,
    TokenQuestion,
    WeightsBody,
)
from feature_manifold.server.work import WorkOfApp
from feature_manifold.store.layout import EDGES

MAX_QUERY = 200
MAX_HITS = 100

Text = Annotated[str, Query(min_length=1, max_length=MAX_QUERY, description="Text wanted.")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Latents, at most.")]

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


@router.get(
    "/api/search/text",
    summary="Latents that fire where a text stands",
    responses=fault_examples(401, 404, 409, 422, 429, 503),
)
async def search_text(
    request: Request,
    opened: ChosenExperiment,
    library: LibraryOfApp,
    work: WorkOfApp,
    q: Text,
    order: Annotated[
        Literal["lift", "share", "count"],
        Query(description="Best first by `lift_low`, `share_inside` or `fires_here`."),
    ] = "lift",
    limit: Limit = 50,
) -> TextSearchAnswer:
    """Rank by lift, not by count: latents that always fire are about nothing.

    The text may be several tokens; the latents fire on the last, where the model has read all of
    it. It is tried as given, with a space before it and without, and cut as the model's tokenizer
    cuts it.
    """

    def found(_: object) -> TextSearchAnswer:
        answer = library.latent_search(opened).by_text(q, order=order, limit=limit)
        return TextSearchAnswer(
            **_responsible(opened, answer.responsible),
            query=q,
            how=answer.spelling.how,
            token_ids=[list(sequence) for sequence in answer.spelling.sequences],
            tokens=[list(texts) for texts in answer.tokens],
        )

    return await work.run(request, found)


@router.post(
    "/api/search/tokens",
    summary="Latents that fire on vocabulary entries",
    responses=fault_examples(401, 404, 409, 413, 422, 429, 503),
)
async def search_tokens(
    request: Request, asked: TokenQuestion, library: LibraryOfApp, work: WorkOfApp
) -> ResponsibleAnswer:
    """Rank the latents that fire on any of the entries."""

    def found(_: object) -> ResponsibleAnswer:
        opened = library.open(asked.experiment_id)
        search = library.latent_search(opened)
        answer = search.by_token_ids(asked.token_ids, order=asked.order, limit=asked.limit)
        return ResponsibleAnswer(**_responsible(opened, answer))

    return await work.run(request, found)


@router.post(
    "/api/search/rows",
    summary="Latents that fire at rows of the token table",
    responses=fault_examples(401, 404, 409, 413, 422, 429, 503),
)
async def search_rows(
    request: Request, asked: RowQuestion, library: LibraryOfApp, work: WorkOfApp
) -> ResponsibleAnswer:
    """Rank the latents that are responsible for a region of a cloud, given by its tokens."""

    def found(_: object) -> ResponsibleAnswer:
        opened = library.open(asked.experiment_id)
        search = library.latent_search(opened)
        answer = search.by_rows(asked.rows, order=asked.order, limit=asked.limit)
        return ResponsibleAnswer(**_responsible(opened, answer))

    return await work.run(request, found)


@router.get(
    "/api/search/labels",
    summary="Latents whose label holds a text",
    responses=fault_examples(401, 404, 409, 422),
)
def search_labels(
    opened: ChosenExperiment, library: LibraryOfApp, q: Text, limit: Limit = 50
) -> LabelAnswer:
    """Match without case and outer spaces; equal labels come first, then those that start so."""
    hits = library.latent_search(opened).by_label(q, limit=limit)
    return LabelAnswer(
        experiment_id=opened.experiment.id,
        query=q,
        latents=[LabelBody(**vars(hit)) for hit in hits],
    )


@router.get(
    "/api/latent/{latent_id}/similar",
    summary="Neighbours of a latent, with their weights",
    responses=fault_examples(401, 404, 409, 422),
)
def similar(
    opened: ChosenExperiment,
    library: LibraryOfApp,
    latent_id: Annotated[int, Path(ge=0, description="Latent id.", examples=[0])],
    kind: Annotated[
        Literal["merged", "cosine", "jaccard", "coactivation"],
        Query(alias="type", description="Kind of edge, or all of them merged by rank."),
    ] = "merged",
    limit: Limit = 50,
) -> SimilarAnswer:
    """Send neighbours, best first, with the weight of every kind of edge and the exact cosine."""
    found = library.latent_search(opened).similar(latent_id, kind=kind, limit=limit)
    return SimilarAnswer(
        experiment_id=opened.experiment.id,
        latent=latent_id,
        type=kind,
        neighbours=[
            SimilarBody(
                latent=one.latent,
                label=label_of(opened.experiment, one.latent),
                firings=int(opened.experiment.statistics["count"][one.latent]),
                weights=WeightsBody(**{name: one.weights.get(name) for name in EDGES}),
                cosine=one.cosine,
                score=one.score,
            )
            for one in found
        ],
    )


def _responsible(opened: OpenExperiment, found: Responsible) -> dict[str, Any]:
    experiment = opened.experiment
    return {
        "experiment_id": experiment.id,
        "n_latents": found.n_latents,
        "n_occurrences": found.n_occurrences,
        "n_used": found.n_used,
        "is_exact": found.is_exact,
        "latents": [
            ResponsibleBody(**vars(one), label=label_of(experiment, one.latent))
            for one in found.latents
        ],
    }
