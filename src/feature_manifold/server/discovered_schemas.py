"""What the routes of discovered clusters send."""

from pydantic import Field, FiniteFloat

from feature_manifold.server.schemas import EXPERIMENT, Body, Count, ExperimentId, example

_CLUSTER = {
    "cluster": 0,
    "latents": [4, 17, 230],
    "labels": [" Friday", " Monday", " Sunday"],
    "core_token_ids": [7, 9],
    "core_texts": [" Monday", " Friday"],
    "measures": {"score": 2.1, "separability": 0.9, "separability_p_shuffle": 0.005},
}


class ClusterBody(Body):
    """A group of latents that was found without labels."""

    cluster: Count = Field(description="Its number: rank by the default score, from 0.")
    latents: list[Count] = Field(description="Members, ascending.")
    labels: list[str | None] = Field(description="Label of each member; data, never HTML.")
    core_token_ids: list[Count] = Field(
        description="Vocabulary entries on which it usually fires strongly, at most 200 of them."
    )
    core_texts: list[str] = Field(description="Their texts; data, never HTML.")
    measures: dict[str, FiniteFloat | None] = Field(
        description="Columns: `score`, its parts, and per measure NAME the value, NAME_low, "
        "NAME_high and NAME_p_NULL of each null. Null: the measure does not apply."
    )


class ClusterAnswer(ClusterBody):
    """One discovered cluster."""

    model_config = example(experiment_id=EXPERIMENT, **_CLUSTER)

    experiment_id: ExperimentId


class ClusterList(Body):
    """Discovered clusters, sorted as asked."""

    model_config = example(
        experiment_id=EXPERIMENT,
        n_clusters=1,
        columns=["score", "separability", "separability_p_shuffle"],
        clusters=[_CLUSTER],
    )

    experiment_id: ExperimentId
    n_clusters: Count = Field(description="Clusters that fit the question.")
    columns: list[str] = Field(description="Columns there are; each can be sorted by.")
    clusters: list[ClusterBody] = Field(description="Clusters of this page.")
