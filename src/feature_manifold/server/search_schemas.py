"""What the searches of latents, and the text round tokens, take and send."""

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from feature_manifold.examples.occurrences import MAX_TOKEN_IDS
from feature_manifold.examples.passages import MAX_CONTEXT, MAX_PASSAGES
from feature_manifold.examples.responsible import MAX_LIMIT
from feature_manifold.server.clouds import MAX_MEMBERS
from feature_manifold.server.schemas import (
    EXPERIMENT,
    Asked,
    Body,
    Count,
    ExperimentId,
    LatentId,
    example,
)

MAX_ROWS = 100_000

Share = Annotated[FiniteFloat, Field(ge=0, le=1)]
Row = Annotated[int, Field(ge=0, lt=1 << 32)]


class LatentQuestion(Asked):
    """Base of the questions for latents."""

    order: Literal["lift", "share", "count"] = Field(
        "lift",
        description="Best first by `lift_low`; by `share_inside`, of latents that fire at least 8 "
        "times; or by `fires_here`.",
    )
    limit: int = Field(50, ge=1, le=MAX_LIMIT, description="Latents, at most.")


class TokenQuestion(LatentQuestion):
    """Vocabulary entries, whose latents are wanted."""

    model_config = example(token_ids=[1, 2], order="lift", limit=10)

    token_ids: list[Row] = Field(
        min_length=1, max_length=MAX_TOKEN_IDS, description="Vocabulary entries; they count once."
    )


class RowQuestion(LatentQuestion):
    """Rows of the token table, for instance a region of a cloud, whose latents are wanted."""

    model_config = example(rows=[1, 2, 3], order="share")

    rows: list[Row] = Field(
        min_length=1, max_length=MAX_ROWS, description="Rows, as in `tokens` of a cloud."
    )


class ResponsibleBody(Body):
    """A latent that fires at the rows in question."""

    latent: Count = Field(description="The latent.")
    label: str | None = Field(description="Token on which it fires most.")
    fires_here: Count = Field(description="On how many of the rows read it fires.")
    share_here: Share = Field(description="The same, as a share of the rows read.")
    firings: Count = Field(description="Firings in the whole corpus.")
    lift: FiniteFloat = Field(description="How many times more often it fires here than anywhere.")
    lift_low: FiniteFloat = Field(description="What the lift exceeds with 95 % confidence.")
    activation_here: FiniteFloat = Field(description="Mean activation, silence counted as 0.")
    share_inside: Share = Field(description="Share of its whole activation that lies here.")
    share_of_rows: Share = Field(description="Share that it has in the activation at these rows.")


_RESPONSIBLE = {
    "latent": 17,
    "label": " Monday",
    "fires_here": 290,
    "share_here": 0.97,
    "firings": 310,
    "lift": 780.5,
    "lift_low": 690.1,
    "activation_here": 5.2,
    "share_inside": 0.99,
    "share_of_rows": 0.4,
}
_FOUND = {
    "experiment_id": EXPERIMENT,
    "n_latents": 84,
    "n_occurrences": 300,
    "n_used": 300,
    "is_exact": True,
    "latents": [_RESPONSIBLE],
}


class ResponsibleAnswer(Body):
    """Latents that fire at rows of the token table, best first."""

    model_config = example(**_FOUND)

    experiment_id: ExperimentId
    n_latents: Count = Field(description="Latents that fire at the rows read.")
    n_occurrences: Count = Field(description="Rows there are.")
    n_used: Count = Field(description="Rows that were read.")
    is_exact: bool = Field(description="Whether these are all; else they are evenly spaced.")
    latents: list[ResponsibleBody] = Field(description="Latents, as many as asked for.")


class TextSearchAnswer(ResponsibleAnswer):
    """Latents that fire where a text stands, on its last token."""

    model_config = example(
        **_FOUND, query="monday", how="other case", token_ids=[[7]], tokens=[[" Monday"]]
    )

    query: str = Field(description="As asked.")
    how: str = Field(
        description="How the text was cut: `entry` of the vocabulary, by the `tokenizer`, into the "
        "`longest entries`, or as entries in the `other case`."
    )
    token_ids: list[list[Count]] = Field(description="Sequences of entries that were looked for.")
    tokens: list[list[str]] = Field(description="Their texts; data, never HTML.")


class LabelBody(Body):
    """A latent whose label matches."""

    latent: Count = Field(description="The latent.")
    label: str = Field(description="Token on which it fires most; data, never HTML.")
    firings: Count = Field(description="Firings in the whole corpus.")
    label_firings: Count = Field(description="Firings on that token.")


class LabelAnswer(Body):
    """Latents whose label holds a text."""

    model_config = example(
        experiment_id=EXPERIMENT,
        query="mon",
        latents=[{"latent": 17, "label": " Monday", "firings": 310, "label_firings": 290}],
    )

    experiment_id: ExperimentId
    query: str = Field(description="As asked.")
    latents: list[LabelBody] = Field(
        description="Equal labels first, then those that start with the text, then the rest."
    )


class WeightsBody(Body):
    """Weight of the edge by kind; null where neither counts the other among its nearest."""

    cosine: FiniteFloat | None = Field(description="Cosine of the decoder rows, in [-1, 1].")
    jaccard: FiniteFloat | None = Field(description="Overlap of the tokens, in [0, 1].")
    coactivation: FiniteFloat | None = Field(description="Tokens on which both fire.")


class SimilarBody(Body):
    """A latent that is joined to the one asked for."""

    latent: Count = Field(description="The latent.")
    label: str | None = Field(description="Token on which it fires most.")
    firings: Count = Field(description="Firings in the whole corpus.")
    weights: WeightsBody
    cosine: FiniteFloat | None = Field(
        description="Cosine of the decoder rows, exact, whether there is such an edge or not; null "
        "if a row is 0 or the decoder is not known."
    )
    score: FiniteFloat = Field(
        description="What it is ranked by: the weight, or for `merged` the sum of 1 / (60 + rank)."
    )


class SimilarAnswer(Body):
    """Neighbours of a latent, best first."""

    model_config = example(
        experiment_id=EXPERIMENT,
        latent=17,
        type="merged",
        neighbours=[
            {
                "latent": 4,
                "label": " Friday",
                "firings": 280,
                "weights": {"cosine": 0.61, "jaccard": 0.2, "coactivation": 56.0},
                "cosine": 0.61,
                "score": 0.049,
            }
        ],
    )

    experiment_id: ExperimentId
    latent: Count = Field(description="As asked.")
    type: str = Field(description="As asked.")
    neighbours: list[SimilarBody] = Field(description="Neighbours.")


class ContextQuestion(Asked):
    """Rows of the token table, whose text is wanted."""

    model_config = example(rows=[1, 2], context=5, latents=[0])

    rows: list[Row] = Field(
        min_length=1,
        max_length=MAX_PASSAGES,
        description="Rows, as in `tokens` of a cloud.",
        examples=[[1, 2]],
    )
    context: int = Field(10, ge=0, le=MAX_CONTEXT, description="Tokens on either side, at most.")
    latents: list[LatentId] = Field(
        default_factory=list,
        max_length=MAX_MEMBERS,
        description="Latents whose activations are wanted, added up.",
        examples=[[0]],
    )


class Context(Body):
    """The text round one row; it never leaves the document, or the input that the model saw."""

    row: Count = Field(description="The row asked for.")
    token_id: int = Field(description="Its vocabulary entry; -1 if unknown.")
    document: int = Field(description="Its document; -1 if unknown.")
    position: int = Field(description="Its offset in the document; -1 if unknown.")
    start: Count = Field(description="Row of the first token.")
    marked: Count = Field(description="Place of the row in `tokens`.")
    tokens: list[str] = Field(description="Text of each token; data, never HTML.")
    activations: list[FiniteFloat] = Field(
        description="Activations of `latents` at each token, added up; 0 where they are silent."
    )


class ContextAnswer(Body):
    """Texts, in the order asked for."""

    model_config = example(
        experiment_id=EXPERIMENT,
        contexts=[
            {
                "row": 12,
                "token_id": 7,
                "document": 0,
                "position": 11,
                "start": 11,
                "marked": 1,
                "tokens": ["on", " Monday"],
                "activations": [0.0, 5.5],
            }
        ],
    )

    experiment_id: ExperimentId
    contexts: list[Context] = Field(description="Texts.")
