"""What the routes of measures take and send."""

from typing import Any, Literal

from pydantic import Field, FiniteFloat

from feature_manifold.server.cluster_schemas import LARGEST_SEED, Latents
from feature_manifold.server.schemas import (
    EXPERIMENT,
    Asked,
    Body,
    Count,
    ExperimentId,
    example,
)

Number = FiniteFloat | None


class Definition(Body):
    """What a measure is."""

    name: str = Field(description="Its key, and column of discovered clusters.")
    title: str = Field(description="A few words for a table's head.")
    unit: str = Field(description="Empty for a pure number.")
    low: Number = Field(description="Least value there can be; null if there is no bound.")
    high: Number = Field(description="Greatest value there can be.")
    higher_means: str = Field(description="What a high value says.")
    level: str = Field(
        description="What it is measured on: all `points`, a `plane` of two components, mean "
        "points of token `types`, or types with places in a `concept`."
    )
    evidence: str | None = Field(
        description="Values that speak for a manifold, `high` or `low`; null if it only describes."
    )
    nulls: list[str] = Field(description="What it is compared with.")
    interval: str = Field(description="Kind of interval: `confidence`, `stability`, `none`.")
    formula: str = Field(description="In one line.")
    source: str = Field(description="Of the formula.")


_DEFINITION: dict[str, Any] = {
    "name": "separability",
    "title": "Separability S",
    "unit": "bits",
    "low": 0.0,
    "high": 3.33,
    "higher_means": "the plane's coordinates depend on each other at every rotation",
    "level": "plane",
    "evidence": "high",
    "nulls": ["shuffle", "spectrum"],
    "interval": "confidence",
    "formula": "min over 100 rotations of the mutual information of a 10 x 10 histogram",
    "source": "Engels et al. (2024), arXiv 2405.14860",
}


class DefinitionList(Body):
    """Every measure that there is."""

    model_config = example(measures=[_DEFINITION])

    measures: list[Definition] = Field(description="Measures of a cluster, then against a concept.")


class MeasureQuestion(Asked):
    """A cluster to measure."""

    model_config = example(latents=[0, 1], effort="survey", concept="weekdays")

    latents: Latents
    effort: Literal["survey", "full"] = Field(
        "survey",
        description="`survey`: 19 draws from each null, as discovery does it, so that p is at "
        "least 0.05; `full`: 199, and some tens of seconds.",
    )
    seed: int = Field(0, ge=0, le=LARGEST_SEED, description="Seed of all that is drawn.")
    concept: str | None = Field(
        None,
        max_length=64,
        description="Name of a concept to measure it against as well.",
        examples=["weekdays"],
    )


class NullBody(Body):
    """A statistic where the structure in question was destroyed; null: not applicable."""

    name: str = Field(description="`shuffle`, `spectrum` or `labels`.")
    median: Number = Field(description="Median of the draws.")
    low: Number = Field(description="5 % quantile of the draws.")
    high: Number = Field(description="95 % quantile of the draws.")
    p: Number = Field(
        description="Share of the draws, the cluster counted as one, that are as much evidence; "
        "not corrected for the number of clusters tried."
    )
    observed: Number = Field(
        description="The statistic of the cluster on as many points as a draw has."
    )


class MeasuredBody(Body):
    """A measure of the cluster, its interval and its nulls; null: not applicable, never bad."""

    name: str = Field(description="The measure, as in `/api/measures`.")
    value: Number = Field(description="Its value, in the measure's unit.")
    low: Number = Field(description="Lower end of the interval.")
    high: Number = Field(description="Upper end of the interval.")
    nulls: list[NullBody] = Field(description="What chance would give.")


MEASURED_EXAMPLE: dict[str, Any] = {
    "name": "separability",
    "value": 0.9,
    "low": 0.8,
    "high": 1.0,
    "nulls": [
        {
            "name": "shuffle",
            "median": 0.1,
            "low": 0.05,
            "high": 0.2,
            "p": 0.05,
            "observed": 0.91,
        }
    ],
}


class MeasureAnswer(Body):
    """Measures of a cluster."""

    model_config = example(
        experiment_id=EXPERIMENT,
        latents=[0, 1],
        n_points=500,
        n_core_types=7,
        effort="survey",
        seed=0,
        measures=[MEASURED_EXAMPLE],
        concept="weekdays",
        concept_measures=[],
    )

    experiment_id: ExperimentId
    latents: list[Count] = Field(description="Members, ascending.")
    n_points: Count = Field(description="Points that were measured: all of the cloud.")
    n_core_types: Count = Field(description="Core token types, whose mean points were measured.")
    effort: str = Field(description="As asked.")
    seed: Count = Field(description="As asked.")
    measures: list[MeasuredBody] = Field(description="Measures that need no concept.")
    concept: str | None = Field(description="The concept, if one was asked for.")
    concept_measures: list[MeasuredBody] = Field(description="Measures against it.")
