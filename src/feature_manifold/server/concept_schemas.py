"""What the routes of concepts take and send."""

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from feature_manifold.core.concept_files import MAX_LETTERS, MAX_SPELLINGS, MAX_STEPS
from feature_manifold.core.concepts import Concept
from feature_manifold.examples.concept_cluster import MAX_MEMBERS
from feature_manifold.server.schemas import (
    EXPERIMENT,
    Asked,
    Body,
    Count,
    ExperimentId,
    LatentId,
    example,
)
from feature_manifold.server.search_schemas import Share

Word = Annotated[str, Field(min_length=1, max_length=MAX_LETTERS)]
Kind = Literal["circular", "ordered"]

_SEASONS = {
    "name": "seasons",
    "kind": "circular",
    "words": [["spring"], ["summer"], ["autumn", "fall"], ["winter"]],
    "period": 4.0,
}


class ConceptBody(Body):
    """An ordered or circular list of words."""

    model_config = example(
        **_SEASONS, values=[0.0, 1.0, 2.0, 3.0], ambiguous=["fall"], about="Seasons of the north."
    )

    name: str = Field(description="Its name: lower-case letters, digits, hyphens.")
    kind: Kind = Field(description="Whether the last step is followed by the first.")
    words: list[list[str]] = Field(description="Spellings of each step, the usual one first.")
    values: list[FiniteFloat] = Field(description="Place of each step, in the concept's units.")
    period: FiniteFloat | None = Field(description="What a full turn adds; null if ordered.")
    ambiguous: list[str] = Field(
        description="Spellings that often mean something else; they match only as written."
    )
    about: str = Field(description="One line: what the values are.")


class ConceptList(Body):
    """The concepts that come with the package."""

    model_config = example(
        concepts=[
            {
                **_SEASONS,
                "values": [0.0, 1.0, 2.0, 3.0],
                "ambiguous": [],
                "about": "Seasons of the north.",
            }
        ]
    )

    concepts: list[ConceptBody] = Field(description="Concepts, by name.")


class OwnConcept(Asked):
    """A concept of one's own, whose latents are wanted."""

    model_config = example(**_SEASONS, share=0.5)

    name: str = Field(
        pattern="^[a-z0-9][a-z0-9-]{0,63}$",
        description="Lower-case letters, digits, hyphens; at most 64.",
        examples=["seasons"],
    )
    kind: Kind = Field(description="Whether the last step is followed by the first.")
    words: list[Annotated[list[Word], Field(min_length=1, max_length=MAX_SPELLINGS)]] = Field(
        min_length=2, max_length=MAX_STEPS, description="Spellings of each step, the usual first."
    )
    values: list[FiniteFloat] | None = Field(
        None, max_length=MAX_STEPS, description="Place of each step; null: 0, 1, 2 and so on."
    )
    period: FiniteFloat | None = Field(
        None, gt=0, description="What a full turn adds, if circular; null: the number of steps."
    )
    ambiguous: list[Word] = Field(
        default_factory=list,
        max_length=MAX_STEPS,
        description="Spellings that match only as written, upper and lower case told apart.",
    )
    share: FiniteFloat = Field(
        0.5,
        gt=0,
        lt=1,
        description="Share of its activation on the concept's tokens that makes a latent a member.",
    )
    limit: int = Field(200, ge=1, le=MAX_MEMBERS, description="Members, at most.")


class MemberBody(Body):
    """A latent that is about a concept."""

    latent: LatentId = Field(description="The latent.")
    label: str | None = Field(description="Token on which it fires most.")
    share: Share = Field(description="Share of its activation on the concept's tokens.")
    firings: Count = Field(description="Firings in the whole corpus.")
    peak: Count = Field(description="Step at which its mean activation is greatest.")


class StepBody(Body):
    """How a step of the concept is covered."""

    step: Count = Field(description="The step, from 0.")
    label: str = Field(description="Its usual spelling.")
    token_ids: list[Count] = Field(description="Vocabulary entries that spell it.")
    n_occurrences: Count = Field(description="How often they occur in the corpus.")
    n_used: Count = Field(description="How many of these rows were read.")
    covered: Share | None = Field(
        description="Share of the rows read on which a member fires; null if there are none."
    )
    n_peaks: Count = Field(description="Members that peak here.")


class ConceptAnswer(Body):
    """The latents that are about a concept: a cluster to start from."""

    model_config = example(
        experiment_id=EXPERIMENT,
        name="seasons",
        members=[{"latent": 17, "label": " spring", "share": 0.9, "firings": 80, "peak": 0}],
        n_members_found=1,
        tuning=[[4.1, 0.0, 0.2, 0.0]],
        steps=[
            {
                "step": 0,
                "label": "spring",
                "token_ids": [7],
                "n_occurrences": 90,
                "n_used": 90,
                "covered": 0.88,
                "n_peaks": 1,
            }
        ],
        unmatched=["autumn"],
        n_occurrences=90,
        n_used=90,
        is_exact=True,
        shares_are_exact=True,
    )

    experiment_id: ExperimentId
    name: str = Field(description="The concept.")
    members: list[MemberBody] = Field(description="By step of their peak, then by falling share.")
    n_members_found: Count = Field(description="Members before the limit was applied.")
    tuning: list[list[FiniteFloat | None]] = Field(
        description="Per member, its mean activation at each step, silence counted as 0; null "
        "where a step has no rows."
    )
    steps: list[StepBody] = Field(description="Steps.")
    unmatched: list[str] = Field(description="Spellings that no single token spells.")
    n_occurrences: Count = Field(description="Rows of all steps.")
    n_used: Count = Field(description="How many were read.")
    is_exact: bool = Field(
        description="Whether these are all; else `covered` and `tuning` are estimates."
    )
    shares_are_exact: bool = Field(description="Whether each `share` is of all firings.")


def concept_body(concept: Concept) -> ConceptBody:
    """Return a concept as it is sent."""
    return ConceptBody(
        name=concept.name,
        kind=concept.kind,
        words=[list(spellings) for spellings in concept.words],
        values=concept.values.tolist(),
        period=concept.period,
        ambiguous=sorted(concept.ambiguous),
        about=concept.about,
    )
