"""Routes of discovered clusters, with their measures as sortable columns."""

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Path, Query

from feature_manifold.core.arrays import Int64Array
from feature_manifold.core.errors import InputError
from feature_manifold.examples.pages import token_text
from feature_manifold.server.discovered_schemas import ClusterAnswer, ClusterBody, ClusterList
from feature_manifold.server.faults import fault_examples
from feature_manifold.server.labels import label_of
from feature_manifold.server.library import ChosenExperiment
from feature_manifold.store.clusters import ClusterSet
from feature_manifold.store.experiment import Experiment

MAX_PAGE = 500
MAX_CORE = 200
RANK = "rank"

router = APIRouter(tags=["clusters"])


@router.get(
    "/api/clusters",
    summary="Discovered clusters, best first or by any measure",
    responses=fault_examples(401, 404, 409, 422),
)
def clusters(
    opened: ChosenExperiment,
    sort: Annotated[
        str,
        Query(
            max_length=100,
            description="Column of `columns` to sort by, or `rank`: the order of the default "
            "score. Clusters to which the measure does not apply come last.",
        ),
    ] = RANK,
    descending: Annotated[
        bool, Query(description="Greatest first; by `rank`, the last first.")
    ] = False,
    latent: Annotated[
        int | None, Query(ge=0, lt=1 << 32, description="Only clusters with this member.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Clusters, at most.")] = 50,
    offset: Annotated[int, Query(ge=0, le=1 << 31, description="Clusters left out before.")] = 0,
) -> ClusterList:
    """Send a page of clusters; ranking uses no labels."""
    experiment = opened.experiment
    found = experiment.clusters
    order = sorted_clusters(found, sort, is_descending=descending)
    if latent is not None:
        order = order[np.isin(order, clusters_with(found, latent))]
    return ClusterList(
        experiment_id=experiment.id,
        n_clusters=len(order),
        columns=list(found.measures),
        clusters=[
            ClusterBody(**_values(experiment, found, cluster))
            for cluster in order[offset : offset + limit].tolist()
        ],
    )


@router.get(
    "/api/clusters/{cluster}",
    summary="One discovered cluster",
    responses=fault_examples(401, 404, 409, 422),
)
def cluster(
    opened: ChosenExperiment,
    cluster: Annotated[
        int, Path(ge=0, lt=1 << 32, description="Number of the cluster.", examples=[0])
    ],
) -> ClusterAnswer:
    """Send members, core tokens and every measure of one cluster."""
    experiment = opened.experiment
    values = _values(experiment, experiment.clusters, cluster)
    return ClusterAnswer(experiment_id=experiment.id, **values)


def sorted_clusters(found: ClusterSet, column: str, *, is_descending: bool) -> Int64Array:
    """Return the numbers of all clusters by a column, int64 (n_clusters,); NaN come last.

    Raises
    ------
    InputError
        If there is no such column.
    """
    numbers = np.arange(found.n_clusters)
    if column == RANK:
        return numbers[::-1] if is_descending else numbers
    if column not in found.measures:
        raise InputError(
            f"sort: there is no column '{column}'. There are: {RANK}, {', '.join(found.measures)}"
        )
    values = np.asarray(found.measures[column])
    return np.lexsort((numbers, -values if is_descending else values))


def clusters_with(found: ClusterSet, latent: int) -> Int64Array:
    """Return the clusters that have a latent as member, int64 (n,), rising."""
    entries = np.flatnonzero(found.latents == latent)
    return np.asarray(np.searchsorted(found.indptr, entries, side="right") - 1, dtype=np.int64)


def _values(experiment: Experiment, found: ClusterSet, cluster: int) -> dict[str, Any]:
    latents, core = found.members(cluster).tolist(), found.core(cluster)[:MAX_CORE].tolist()
    return {
        "cluster": cluster,
        "latents": latents,
        "labels": [label_of(experiment, latent) for latent in latents],
        "core_token_ids": core,
        "core_texts": [token_text(experiment.vocabulary, token_id) for token_id in core],
        "measures": {
            name: None if np.isnan(column[cluster]) else float(column[cluster])
            for name, column in found.measures.items()
        },
    }
