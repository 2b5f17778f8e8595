"""What the routes of clusters take and send."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, FiniteFloat

from feature_manifold.server.clouds import MAX_MEMBERS
from feature_manifold.server.schemas import EXPERIMENT, Asked, Body, Count, LatentId

MAX_POINTS = 1_000_000
MAX_COMPONENTS = 64
LARGEST_SEED = (1 << 53) - 1

Latents = Annotated[
    list[LatentId],
    Field(
        min_length=1,
        max_length=MAX_MEMBERS,
        description="Members of the cluster, in any order; one named twice counts once.",
        examples=[[17, 4, 230]],
    ),
]


class PointQuestion(Asked):
    """A cluster, and which of its points to use and to show."""

    latents: Latents
    min_norm: FiniteFloat = Field(
        0.0,
        ge=0,
        description="Leave out shorter points; in units of the decoder rows times activations.",
        examples=[0.5],
    )
    min_active: int = Field(
        1, ge=1, le=MAX_MEMBERS, description="Leave out points with fewer members firing."
    )
    max_points: int = Field(
        20_000,
        ge=1,
        le=MAX_POINTS,
        description="Points sent at most. If there are more, a sample is drawn for display: half "
        "of it shared out evenly among the members, so that rare ones stay visible. Fits and "
        "measures use all points.",
    )
    seed: int = Field(0, ge=0, le=LARGEST_SEED, description="Seed of all that is drawn.")


class CloudQuestion(PointQuestion):
    """A cluster, and which of its points to show."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"latents": [0, 1], "max_points": 500, "min_active": 1}}
    )

    unit: bool = Field(False, description="Give every point length one.", examples=[False])


class Reference(Body):
    """A neighbouring cluster, whose axes are followed."""

    model_config = ConfigDict(
        strict=True, json_schema_extra={"example": {"latents": [0], "directions": None}}
    )

    latents: Latents
    directions: list[list[FiniteFloat]] | None = Field(
        None,
        max_length=MAX_COMPONENTS,
        description="`direction` of each axis in the answer for that cluster, so that the axes of "
        "a chain of edits do not flip. Null: the axes that the cluster has without a reference.",
        examples=[[[1.0]]],
    )


class PcaQuestion(CloudQuestion):
    """A cluster, how its axes are fitted, and which of its points to show."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"latents": [0, 1], "n_components": 3, "fit_on": "points", "seed": 0}
        }
    )

    n_components: int = Field(
        3,
        ge=1,
        le=MAX_COMPONENTS,
        description="Axes sent at most; there are fewer if the points vary in fewer directions.",
    )
    centred: bool = Field(
        True, description="Subtract the mean; else axes are of the second moment about the origin."
    )
    fit_on: Literal["points", "type_means", "core_means"] = Field(
        "points",
        description="What the axes are fitted to: all points, the mean points of all token types, "
        "or those of the core token types, on which the cluster usually fires strongly.",
    )
    reference: Reference | None = Field(
        None,
        description="Cluster whose axes are followed in sign and, where variances are close, in "
        "order.",
    )


class Sampling(Body):
    """Which points were sent."""

    method: Literal["all", "stratified"] = Field(
        description="All points, or a sample of which half is shared out evenly among the members."
    )
    seed: Count = Field(description="Seed of the sample.", examples=[0])
    points_by_latent: list[Count] = Field(
        description="Points at which each of `latents` fires, in the cloud as filtered."
    )
    shown_by_latent: list[Count] = Field(description="The same, among the points sent.")


class Points(Body):
    """Points of a cluster, in order of tokens; lists of points have `n_shown` entries."""

    experiment_id: str = Field(description="The experiment.", examples=[EXPERIMENT])
    latents: list[Count] = Field(description="Members, ascending.", examples=[[0, 1]])
    n_points: Count = Field(description="Tokens on which at least one member fires.")
    n_kept: Count = Field(description="Points left by `min_norm` and `min_active`.")
    n_shown: Count = Field(description="Points sent.")
    sampling: Sampling = Field(description="How these were chosen.")
    tokens: list[Count] = Field(description="Row of the token table of each point.")
    token_ids: list[int] = Field(description="Vocabulary entry of each point; -1 if unknown.")
    texts: list[str] = Field(description="Its text; data from the corpus, never HTML.")
    n_active: list[Count] = Field(description="Members that fire at each point.")
    strongest: list[Count] = Field(description="Latent with the greatest activation at each point.")
    points: list[list[FiniteFloat]] = Field(description="Coordinates of each point.")


_POINTS: dict[str, Any] = {
    "experiment_id": EXPERIMENT,
    "latents": [0, 1],
    "n_points": 2,
    "n_kept": 2,
    "n_shown": 2,
    "sampling": {
        "method": "all",
        "seed": 0,
        "points_by_latent": [1, 1],
        "shown_by_latent": [1, 1],
    },
    "tokens": [12, 40],
    "token_ids": [7, 9],
    "texts": [" Monday", " Friday"],
    "n_active": [1, 1],
    "strongest": [0, 1],
    "points": [[1.5, 0.0], [0.25, 2.0]],
}


class CloudAnswer(Points):
    """The cloud of a cluster, in an orthonormal basis of the span of its decoder rows."""

    model_config = ConfigDict(json_schema_extra={"example": {**_POINTS, "n_dimensions": 2}})

    n_dimensions: Count = Field(
        description="Coordinates of a point, the lesser of members and d_model. Distances are "
        "those of the reconstructions in the model's space."
    )


class Axis(Body):
    """A principal axis."""

    label: str = Field(description="Its name, for a picture.", examples=["PC1 (43.2 %)"])
    variance: FiniteFloat = Field(
        description="Variance of what was fitted along it, in squared units of a point's length."
    )
    share: Annotated[FiniteFloat, Field(ge=0, le=1)] = Field(
        description="Part of the variance in all directions."
    )
    direction: list[FiniteFloat] = Field(
        description="Unit vector in the basis of `/api/cluster/cloud`; give it to `reference`."
    )


class PcaAnswer(Points):
    """A cluster's points along its principal axes, exact and fitted to all points."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                **_POINTS,
                "fit_on": "points",
                "n_fitted": 2,
                "rank": 1,
                "axes": [
                    {"label": "PC1 (100.0 %)", "variance": 1.4, "share": 1.0, "direction": [1, 0]}
                ],
                "arrows": [[0.9], [-0.4]],
                "points": [[0.6], [-0.6]],
            }
        }
    )

    fit_on: str = Field(description="What the axes were fitted to.", examples=["points"])
    n_fitted: Count = Field(description="Points, or token types, that were fitted.")
    rank: Count = Field(description="Directions in which these vary.")
    axes: list[Axis] = Field(description="Axes, one per coordinate of a point.")
    arrows: list[list[FiniteFloat]] = Field(
        description="Decoder direction of each of `latents` along the axes."
    )
