"""What the routes send, as pydantic models; the web app's types are generated from these."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

Count = Annotated[int, Field(ge=0)]
LatentId = Annotated[int, Field(ge=0, lt=1 << 32)]

EXPERIMENT = "almanac_layer0_2k_small"
ExperimentId = Annotated[str, Field(description="Id of the experiment.", examples=[EXPERIMENT])]


class Body(BaseModel):
    """Base of all answers and questions."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Asked(Body):
    """Base of all questions that come as a body; numbers must be numbers, not text."""

    model_config = ConfigDict(strict=True)

    experiment_id: str | None = Field(
        None,
        max_length=300,
        description="Id of the experiment; null: the first.",
        examples=[None],
    )


def example(**values: Any) -> ConfigDict:
    """Return the configuration of a question or answer with an example in the OpenAPI document."""
    return ConfigDict(json_schema_extra={"example": values})


class FaultDetail(Body):
    """What went wrong."""

    type: str = Field(description="Name of the error, see docs/errors.md.")
    message: str = Field(description="What is wrong, where, and what to do.")


class Fault(Body):
    """Answer to a request that failed."""

    error: FaultDetail = Field(description="What went wrong.")


class Health(Body):
    """The server lives."""

    model_config = example(status="ok")

    status: str = Field(description="Always `ok`.")


class Limits(Body):
    """What one request may ask for."""

    members: Count = Field(description="Latents of a cluster.")
    firings: Count = Field(description="Firings of a cluster's latents together.")
    points: Count = Field(description="Points of an answer.")
    components: Count = Field(description="Principal axes.")
    body_bytes: Count = Field(description="Bytes of the request's body.")
    seconds: FiniteFloat = Field(description="Seconds of heavy work, waiting included.")
    jobs: Count = Field(description="Requests of heavy work at a time, from all clients.")


_LIMITS = {
    "members": 256,
    "firings": 10_000_000,
    "points": 1_000_000,
    "components": 64,
    "body_bytes": 2_097_152,
    "seconds": 60,
    "jobs": 36,
}


class ServerState(Body):
    """What the server allows."""

    model_config = example(version="0.1.0", is_read_only=False, n_jobs=0, limits=_LIMITS)

    version: str = Field(description="Version of the package.")
    is_read_only: bool = Field(description="Whether saving answers 403.")
    n_jobs: Count = Field(description="Requests of heavy work that run or wait now.")
    limits: Limits = Field(description="Bounds of one request.")


class ExperimentSummary(Body):
    """One experiment; a size is null until the stage that finds it has run."""

    id: ExperimentId
    model: str | None = Field(description="Language model.", examples=["google/gemma-3-27b-pt"])
    layer: Count | None = Field(description="Layer that the SAE reads, from 0.")
    sae_width: str | None = Field(description="Width of the SAE, as configured.", examples=["65k"])
    sae_l0: str | None = Field(description="Sparsity of the SAE, as configured.")
    num_tokens: Count | None = Field(description="Corpus tokens, without put-in BOS tokens.")
    n_latents: Count | None = Field(description="Latents, silent ones included.")
    d_model: Count | None = Field(description="Width of the model.")
    n_firings: Count | None = Field(description="Firings.")
    layouts: list[str] = Field(description="Layouts that exist: cosine, coactivation.")
    edges: list[str] = Field(description="Edges that exist: cosine, jaccard, coactivation.")
    has_examples: bool = Field(description="Whether latent pages and search can be served.")
    has_clusters: bool = Field(description="Whether discovered clusters can be served.")
    problem: str | None = Field(description="What keeps the experiment from being read.")


class ExperimentList(Body):
    """All experiments under the data root, by id."""

    model_config = example(
        experiments=[
            {
                "id": EXPERIMENT,
                "model": "package:demo/assets/almanac",
                "layer": 0,
                "sae_width": "2k",
                "sae_l0": "small",
                "num_tokens": 250_000,
                "n_latents": 2048,
                "d_model": 128,
                "n_firings": 1_342_881,
                "layouts": ["cosine", "coactivation"],
                "edges": ["cosine", "jaccard", "coactivation"],
                "has_examples": True,
                "has_clusters": True,
                "problem": None,
            }
        ]
    )

    experiments: list[ExperimentSummary] = Field(description="The experiments.")


class LatentColumns(Body):
    """All latents of an experiment as columns; index = latent id."""

    model_config = example(
        experiment_id=EXPERIMENT,
        n_latents=2,
        num_tokens=250_000,
        labels=[" Monday", None],
        total_firings=[310, 0],
        max_activation=[7.5, 0.0],
    )

    experiment_id: ExperimentId
    n_latents: Count = Field(description="Latents, silent ones included.")
    num_tokens: Count = Field(description="Corpus tokens; put-in BOS tokens are not counted.")
    labels: list[str | None] = Field(
        description="Token on which the latent fires most; null when it never fires."
    )
    total_firings: list[Count] = Field(description="Firings of each latent.")
    max_activation: list[FiniteFloat] = Field(description="0 when the latent never fires.")


class Positions(Body):
    """Place of every latent on the map."""

    model_config = example(
        experiment_id=EXPERIMENT, n_latents=2, layout="cosine", positions=[[0.1, 0.7], [0.9, 0.2]]
    )

    experiment_id: ExperimentId
    n_latents: Count = Field(description="Latents, silent ones included.")
    layout: str = Field(description="As asked.")
    positions: list[Annotated[list[FiniteFloat], Field(min_length=2, max_length=2)]] = Field(
        description="[x, y] of each latent, in [0, 1]."
    )


class Edge(Body):
    """One edge; edges have no direction."""

    source: Count = Field(description="A latent.")
    target: Count = Field(description="The other latent.")
    weight: FiniteFloat = Field(
        description="Cosine in [-1, 1], Jaccard in [0, 1], or tokens on which both fire."
    )


class EdgeList(Body):
    """Edges, strongest first."""

    model_config = example(
        experiment_id=EXPERIMENT,
        type="jaccard",
        n_edges=1,
        edges=[{"source": 4, "target": 17, "weight": 0.31}],
    )

    experiment_id: ExperimentId
    type: str = Field(description="As asked.")
    n_edges: Count = Field(description="Edges that fit the question; more than are listed if cut.")
    edges: list[Edge] = Field(description="Edges.")


class ActivationStats(Body):
    """Activations over all firings of a latent, in the SAE's units; 0 when it never fires."""

    min: FiniteFloat = Field(description="Least.")
    max: FiniteFloat = Field(description="Greatest.")
    mean: FiniteFloat = Field(description="Mean.")
    p10: FiniteFloat = Field(description="10th percentile.")
    p50: FiniteFloat = Field(description="Median.")
    p90: FiniteFloat = Field(description="90th percentile.")


class Histogram(Body):
    """Histogram of activations over all firings: ``counts[i]`` lie in ``bins[i:i + 2]``."""

    bins: list[FiniteFloat] = Field(description="Edges, rising; one more than counts.")
    counts: list[Count] = Field(description="Firings in each bin.")


class Example(Body):
    """One context in which the latent fires."""

    max_activation: FiniteFloat = Field(description="Greatest activation in the context.")
    context: str = Field(description="The tokens, joined.")
    tokens: list[str] = Field(description="Text of each token; data, never HTML.")
    token_activations: list[FiniteFloat] = Field(description="One per token, 0 where silent.")
    firing_positions: list[Count] = Field(description="Places in ``tokens`` where it fires.")
    n_firings: Count = Field(description="How many these are.")


class ExampleGroups(Body):
    """Examples by strength."""

    top: list[Example] = Field(description="The strongest.")
    high: list[Example] = Field(description="Of the upper percentiles.")
    medium: list[Example] = Field(description="Of the middle.")
    low: list[Example] = Field(description="Of the lower percentiles.")


class LatentPageBody(Body):
    """One latent: label, statistics, histogram, examples."""

    model_config = example(
        latent_id=17,
        label=" Monday",
        total_firings=2,
        activation_stats={"min": 1.0, "max": 3.0, "mean": 2.0, "p10": 1.2, "p50": 2.0, "p90": 2.8},
        histogram={"bins": [1.0, 2.0, 3.0], "counts": [1, 1]},
        examples={
            "top": [
                {
                    "max_activation": 3.0,
                    "context": "on Monday",
                    "tokens": ["on", " Monday"],
                    "token_activations": [0.0, 3.0],
                    "firing_positions": [1],
                    "n_firings": 1,
                }
            ],
            "high": [],
            "medium": [],
            "low": [],
        },
    )

    latent_id: Count = Field(description="The latent.")
    label: str | None = Field(description="Token on which it fires most; null if it never fires.")
    total_firings: Count = Field(description="Firings in the whole corpus.")
    activation_stats: ActivationStats = Field(description="Over all firings.")
    histogram: Histogram = Field(description="Over all firings.")
    examples: ExampleGroups = Field(description="Contexts in which it fires.")


class TokenLatent(Body):
    """A latent that fires on a token."""

    id: Count = Field(description="The latent.")
    count: Count = Field(description="Firings of the latent on this token.")
    share: Annotated[float, Field(ge=0, le=1, description="Part of all firings of the latent.")]


class TokenHit(Body):
    """A token that matches, and the latents for which it is among the most frequent tokens."""

    token: str = Field(description="Its text; data, never HTML.")
    token_id: Count = Field(description="Vocabulary entry.")
    latents: list[TokenLatent] = Field(description="Largest share first.")


class SearchResult(Body):
    """Tokens that match a text, best first."""

    model_config = example(
        experiment_id=EXPERIMENT,
        query="monday",
        tokens=[
            {
                "token": " Monday",
                "token_id": 7,
                "latents": [{"id": 17, "count": 300, "share": 0.97}],
            }
        ],
    )

    experiment_id: ExperimentId
    query: str = Field(description="As asked.")
    tokens: list[TokenHit] = Field(description="Tokens.")
