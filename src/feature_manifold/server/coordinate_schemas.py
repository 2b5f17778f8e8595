"""What the route of coordinates takes and sends."""

from typing import Literal

from pydantic import ConfigDict, Field, FiniteFloat

from feature_manifold.server.cluster_schemas import PointQuestion, Sampling
from feature_manifold.server.measure_schemas import MEASURED_EXAMPLE, MeasuredBody, Number
from feature_manifold.server.schemas import EXPERIMENT, Body, Count, ExperimentId, example
from feature_manifold.server.search_schemas import Share

MAX_PLACES = 100
MAX_PLACES_ON_SURFACE = 20


class CoordinateQuestion(PointQuestion):
    """A cluster to which a coordinate is to be fitted, and which of its points to show."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"latents": [0, 1, 2], "kind": "circle", "max_points": 500}}
    )

    kind: Literal["circle", "curve", "surface"] | None = Field(
        None, description="Shape; null: the one that makes left-out tokens likeliest."
    )
    n_places: int | None = Field(
        None,
        ge=2,
        le=MAX_PLACES,
        description="Places along each axis for tuning curves, at most 20 on a surface; null: 24, "
        "on a surface 8.",
    )


class CoordinateAxis(Body):
    """An axis of the fitted shape."""

    is_angle: bool = Field(description="Whether it closes: radians from 0 to 2 pi.")
    low: FiniteFloat = Field(description="Lowest value of the core types; 0 of an angle.")
    high: FiniteFloat = Field(description="Highest value of the core types; 2 pi of an angle.")


class TypePlace(Body):
    """A core token type on the fitted shape."""

    token_id: Count = Field(description="Vocabulary entry.")
    text: str = Field(description="Its text; data, never HTML.")
    values: list[FiniteFloat] = Field(description="Coordinate of its mean point, one per axis.")
    distance: FiniteFloat = Field(description="Distance of its mean point from the fit.")


class GapBody(Body):
    """A stretch of the coordinate without a core token type."""

    before: Count = Field(description="Vocabulary entry at its beginning.")
    after: Count = Field(description="Vocabulary entry at its end.")
    before_text: str = Field(description="Text of the one; data, never HTML.")
    after_text: str = Field(description="Text of the other; data, never HTML.")
    size: FiniteFloat = Field(description="Radians, or the cloud's units.")
    expected: FiniteFloat = Field(description="Mean largest gap of as many types at random.")
    p: Share = Field(description="Chance of a largest gap of this size or more.")


class TuningBody(Body):
    """How a member answers along the coordinate; null where a place has too few tokens."""

    latent: Count = Field(description="The member.")
    label: str | None = Field(description="Token on which it fires most.")
    mean: list[Number] = Field(description="Mean activation at each place, silence counted as 0.")
    firing: list[Number] = Field(description="Share of the core tokens on which it fires.")
    peak: list[Number] = Field(description="Coordinate at which its mean is greatest.")
    width: Number = Field(description="Share of the places with at least half of the greatest.")
    peak_to_mean: Number = Field(description="Greatest mean over that of all places.")
    is_hub: bool = Field(description="Whether it is flat.")


class InfluenceBody(Body):
    """What the fit would lose without a member, the shape being kept."""

    latent: Count = Field(description="The member.")
    moves: FiniteFloat = Field(description="Furthest that a core type would move, of their radius.")
    shift: FiniteFloat = Field(description="Furthest that a coordinate would change.")
    explained: FiniteFloat = Field(description="By how much the variance explained would fall.")
    on_core: FiniteFloat = Field(description="Share of the core tokens on which it fires.")
    of_own: FiniteFloat = Field(description="Share of its firings that are on core tokens.")
    n_own_types: Count = Field(description="Core types that it brought along.")
    is_impostor: bool = Field(description="Whether nothing would change without it.")


class MissingBody(Body):
    """A latent outside that fires where, along the coordinate, its decoder row points."""

    latent: Count = Field(description="The latent.")
    label: str | None = Field(description="Token on which it fires most.")
    lift: FiniteFloat = Field(description="How much likelier it fires on a core token than on any.")
    share: FiniteFloat = Field(description="Share of the core tokens read on which it fires.")
    adds: FiniteFloat = Field(
        description="How much it would stretch the cluster along the axes of the fit."
    )
    alignment: FiniteFloat = Field(
        description="Cosine of its decoder row and where the points lie on which it fires."
    )
    evens: FiniteFloat = Field(
        description="Share of the variance of the cluster's activation between places that would "
        "go away: near 1 if it fills the one dent, below 0 if it fires where much does."
    )
    p: Share = Field(description="Chance, times the number of latents looked at.")


class TilingBody(Body):
    """How the members share the coordinate."""

    tiling: MeasuredBody = Field(description="1 - mean width of the members' firing.")
    coverage: FiniteFloat = Field(description="Share of the places where one or more fire.")
    active: FiniteFloat = Field(description="How many of them fire on a token.")
    overlap: Number = Field(description="Share of pairs of neighbours that overlap.")
    n_members: Count = Field(description="Members that are no hubs and fire on core tokens.")
    n_hubs: Count = Field(description="Members that are flat.")
    n_span: Count = Field(description="Principal axes of the fit.")
    verdict: str = Field(description="`tiling`, `global` or `dilution`.")


class CoordinateAnswer(Body):
    """The coordinate of a cluster; lists of points have `n_shown` entries."""

    model_config = example(
        experiment_id=EXPERIMENT,
        latents=[0],
        n_points=1,
        n_kept=1,
        n_shown=1,
        sampling={
            "method": "all",
            "seed": 0,
            "points_by_latent": [1],
            "shown_by_latent": [1],
        },
        tokens=[12],
        values=[[0.5]],
        distance=[0.1],
        kind="circle",
        axes=[{"is_angle": True, "low": 0.0, "high": 6.2832}],
        gains={"circle": 1.2, "curve": 0.9},
        explained=0.93,
        types=[{"token_id": 7, "text": " Monday", "values": [0.5], "distance": 0.05}],
        gaps=[
            {
                "before": 7,
                "after": 9,
                "before_text": " Monday",
                "after_text": " Friday",
                "size": 1.4,
                "expected": 1.3,
                "p": 0.4,
            }
        ],
        places=[[0.13]],
        counts=[40],
        active=[2.1],
        tuning=[
            {
                "latent": 0,
                "label": " Monday",
                "mean": [3.2],
                "firing": [0.9],
                "peak": [0.5],
                "width": 0.2,
                "peak_to_mean": 4.0,
                "is_hub": False,
            }
        ],
        tiling={
            "tiling": {**MEASURED_EXAMPLE, "name": "tiling"},
            "coverage": 1.0,
            "active": 2.1,
            "overlap": 0.9,
            "n_members": 7,
            "n_hubs": 1,
            "n_span": 2,
            "verdict": "tiling",
        },
        influences=[],
        missing=[],
        n_looked_at=30,
        n_tokens_read=280,
        n_core_tokens=280,
    )

    experiment_id: ExperimentId
    latents: list[Count] = Field(description="Members, ascending.")
    n_points: Count = Field(description="Tokens on which at least one member fires.")
    n_kept: Count = Field(description="Points left by `min_norm` and `min_active`.")
    n_shown: Count = Field(description="Points sent: those that `/api/cluster/pca` sends.")
    sampling: Sampling = Field(description="How these were chosen.")
    tokens: list[Count] = Field(description="Row of the token table of each point.")
    values: list[list[FiniteFloat]] = Field(description="Coordinate of each point, one per axis.")
    distance: list[FiniteFloat] = Field(description="Distance of each point from the fit.")
    kind: str = Field(description="`circle`, `curve` or `surface`.")
    axes: list[CoordinateAxis] = Field(description="One, or two of a surface.")
    gains: dict[str, Number] = Field(
        description="By kind, nats a type by which its best fit is likelier than a box."
    )
    explained: FiniteFloat = Field(description="Share of the core types' variance explained.")
    types: list[TypePlace] = Field(
        description="Core token types, in the order of the coordinate; of a surface, by entry."
    )
    gaps: list[GapBody] = Field(description="Largest stretches without a type; of a surface none.")
    places: list[list[FiniteFloat]] = Field(description="Middle of each place of the curves.")
    counts: list[Count] = Field(description="Core tokens at each place.")
    active: list[Number] = Field(description="Members, hubs left out, that fire on a token there.")
    tuning: list[TuningBody] = Field(description="Tuning curve of each member.")
    tiling: TilingBody = Field(description="How they share the coordinate.")
    influences: list[InfluenceBody] = Field(description="What each member does, least first.")
    missing: list[MissingBody] = Field(description="Latents that may be missing, best first.")
    n_looked_at: Count = Field(description="Latents outside that were looked at for that.")
    n_tokens_read: Count = Field(description="Core tokens that were read for that.")
    n_core_tokens: Count = Field(description="Core tokens there are.")
