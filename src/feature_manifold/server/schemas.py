"""What the routes send, as pydantic models; the web app's types are generated from these."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

Count = Annotated[int, Field(ge=0)]


class Body(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FaultDetail(Body):
    """What went wrong."""

    type: str = Field(description="Name of the error, see docs/errors.md.")
    message: str = Field(description="What is wrong, where, and what to do.")


class Fault(Body):
    """Answer to a request that failed."""

    error: FaultDetail


class ExperimentSummary(Body):
    """One experiment; a size is null until the stage that finds it has run."""

    id: str
    model: str | None
    layer: Count | None
    sae_width: str | None
    sae_l0: str | None
    num_tokens: Count | None
    n_latents: Count | None
    d_model: Count | None
    n_firings: Count | None
    layouts: list[str] = Field(description="Layouts that exist: cosine, coactivation.")
    edges: list[str] = Field(description="Edges that exist: cosine, jaccard, coactivation.")
    has_examples: bool = Field(description="Whether latent pages and search can be served.")
    problem: str | None = Field(description="What keeps the experiment from being read.")


class ExperimentList(Body):
    """All experiments under the data root, by id."""

    experiments: list[ExperimentSummary]


class LatentColumns(Body):
    """All latents of an experiment as columns; index = latent id."""

    experiment_id: str
    n_latents: Count
    num_tokens: Count = Field(description="Corpus tokens; put-in BOS tokens are not counted.")
    labels: list[str | None] = Field(
        description="Token on which the latent fires most; null when it never fires."
    )
    total_firings: list[Count]
    max_activation: list[FiniteFloat] = Field(description="0 when the latent never fires.")


class Positions(Body):
    """Place of every latent on the map."""

    experiment_id: str
    n_latents: Count
    layout: str
    positions: list[tuple[FiniteFloat, FiniteFloat]] = Field(
        description="[x, y] of each latent, in [0, 1]."
    )


class Edge(Body):
    """One edge; edges have no direction."""

    source: Count
    target: Count
    weight: FiniteFloat


class EdgeList(Body):
    """Edges, strongest first."""

    experiment_id: str
    type: str
    n_edges: Count = Field(description="Edges that fit the question; more than are listed if cut.")
    edges: list[Edge]


class ActivationStats(Body):
    """Activations over all firings of a latent; 0 when it never fires."""

    min: FiniteFloat
    max: FiniteFloat
    mean: FiniteFloat
    p10: FiniteFloat
    p50: FiniteFloat
    p90: FiniteFloat


class Histogram(Body):
    """Histogram of activations over all firings: ``counts[i]`` lie in ``bins[i:i + 2]``."""

    bins: list[FiniteFloat]
    counts: list[Count]


class Example(Body):
    """One context in which the latent fires."""

    max_activation: FiniteFloat
    context: str = Field(description="The tokens, joined.")
    tokens: list[str]
    token_activations: list[FiniteFloat] = Field(description="One per token, 0 where silent.")
    firing_positions: list[Count] = Field(description="Places in ``tokens`` where it fires.")
    n_firings: Count


class ExampleGroups(Body):
    """Examples by strength."""

    top: list[Example]
    high: list[Example]
    medium: list[Example]
    low: list[Example]


class LatentPageBody(Body):
    """One latent: label, statistics, histogram, examples."""

    latent_id: Count
    label: str | None
    total_firings: Count
    activation_stats: ActivationStats
    histogram: Histogram
    examples: ExampleGroups


class TokenLatent(Body):
    """A latent that fires on a token."""

    id: Count
    count: Count = Field(description="Firings of the latent on this token.")
    share: Annotated[float, Field(ge=0, le=1, description="Part of all firings of the latent.")]


class TokenHit(Body):
    """A token that matches, and the latents for which it is among the most frequent tokens."""

    token: str
    token_id: Count
    latents: list[TokenLatent] = Field(description="Largest share first.")


class SearchResult(Body):
    """Tokens that match a text, best first."""

    experiment_id: str
    query: str
    tokens: list[TokenHit]
