"""Routes of concepts: lists of words, and the latents that are about them."""

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Path, Query, Request

from feature_manifold.core.concept_files import make_concept
from feature_manifold.core.concept_sets import built_in_concepts
from feature_manifold.core.concepts import Concept
from feature_manifold.core.errors import ConfigError, InputError, MissingArtifactError
from feature_manifold.examples.concept_cluster import MAX_MEMBERS
from feature_manifold.server.concept_schemas import (
    ConceptAnswer,
    ConceptList,
    MemberBody,
    OwnConcept,
    StepBody,
    concept_body,
)
from feature_manifold.server.faults import fault_examples
from feature_manifold.server.labels import label_of
from feature_manifold.server.library import ChosenExperiment, Library, LibraryOfApp, OpenExperiment
from feature_manifold.server.work import Job, WorkOfApp

router = APIRouter(tags=["concepts"])


@router.get(
    "/api/concepts", summary="Concepts that come with the package", responses=fault_examples(401)
)
def concepts() -> ConceptList:
    """Send every concept, with the spellings and places of its steps."""
    return ConceptList(concepts=[concept_body(one) for one in built_in_concepts().values()])


@router.get(
    "/api/concepts/{name}/cluster",
    summary="Latents that are about a concept",
    responses=fault_examples(401, 404, 409, 422, 429, 503),
)
async def concept_cluster(
    request: Request,
    opened: ChosenExperiment,
    library: LibraryOfApp,
    work: WorkOfApp,
    name: Annotated[
        str, Path(max_length=64, description="Name of the concept.", examples=["weekdays"])
    ],
    share: Annotated[
        float,
        Query(gt=0, lt=1, description="Share of its activation that makes a latent a member."),
    ] = 0.5,
    limit: Annotated[int, Query(ge=1, le=MAX_MEMBERS, description="Members, at most.")] = 200,
) -> ConceptAnswer:
    """Find the latents whose activation lies mostly on the tokens of the concept's words."""
    concept = concept_of(name)

    def found(_: Job) -> ConceptAnswer:
        return _cluster(library, opened, concept, share=share, limit=limit)

    return await work.run(request, found)


@router.post(
    "/api/concepts/cluster",
    summary="Latents that are about a concept of one's own",
    responses=fault_examples(401, 404, 409, 413, 422, 429, 503),
)
async def own_concept_cluster(
    request: Request, asked: OwnConcept, library: LibraryOfApp, work: WorkOfApp
) -> ConceptAnswer:
    """Find the latents whose activation lies mostly on the tokens of the given words."""
    given = asked.model_dump(include={"name", "kind", "words", "ambiguous"})
    given |= asked.model_dump(include={"values", "period"}, exclude_none=True)
    try:
        concept = make_concept(given, where="The concept")
    except ConfigError as error:
        raise InputError(str(error)) from error

    def found(_: Job) -> ConceptAnswer:
        opened = library.open(asked.experiment_id)
        return _cluster(library, opened, concept, share=asked.share, limit=asked.limit)

    return await work.run(request, found)


def concept_of(name: str) -> Concept:
    """Return a concept by its name.

    Raises
    ------
    MissingArtifactError
        If there is none.
    """
    concept = built_in_concepts().get(name)
    if concept is None:
        raise MissingArtifactError(
            f"No concept '{name}'. See those that exist at /api/concepts, or send your own to "
            "/api/concepts/cluster."
        )
    return concept


def _cluster(
    library: Library, opened: OpenExperiment, concept: Concept, *, share: float, limit: int
) -> ConceptAnswer:
    found = library.latent_search(opened).concept_cluster(concept, share=share, limit=limit)
    experiment = opened.experiment
    return ConceptAnswer(
        experiment_id=experiment.id,
        name=concept.name,
        members=[
            MemberBody(**vars(member), label=label_of(experiment, member.latent))
            for member in found.members
        ],
        n_members_found=found.n_members_found,
        tuning=[[None if np.isnan(mean) else mean for mean in row] for row in found.tuning],
        steps=[
            StepBody(**{**vars(step), "token_ids": list(step.token_ids)}) for step in found.steps
        ],
        unmatched=list(found.match.unmatched),
        n_occurrences=found.n_occurrences,
        n_used=found.n_used,
        is_exact=found.is_exact,
        shares_are_exact=found.shares_are_exact,
    )
