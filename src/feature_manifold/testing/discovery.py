"""How well clusters are found: planted experiments in memory, and what was planted in them."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from feature_manifold.core.config import CLUSTER_METHODS
from feature_manifold.core.progress import SilentProgress
from feature_manifold.geometry.clusters.affinities import LatentGraph
from feature_manifold.geometry.clusters.discover import read_corpus
from feature_manifold.geometry.clusters.find import Search, find_clusters
from feature_manifold.geometry.edges import EDGE_KINDS, LatentPairs
from feature_manifold.store.clusters import ClusterSet
from feature_manifold.store.firings import FiringsByLatent, FiringsByToken
from feature_manifold.testing.planted.experiment import PlantedExperiment

FOUND_F1 = 0.8
"""A thing is found by a cluster whose latents overlap with its own so well."""

RESOLUTIONS = (1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True)
class Found:
    """One planted thing in the ranked list.

    Attributes
    ----------
    name, kind, is_decoy
        Of the thing.
    rank
        Of the first cluster that finds it, from 1; 0 if none does.
    f1
        Overlap of that cluster, or of the best one, with its latents.
    p
        Corrected p of that cluster; NaN if none finds it.
    """

    name: str
    kind: str
    is_decoy: bool
    rank: int
    f1: float
    p: float


def firings_in(planted: PlantedExperiment) -> FiringsByLatent:
    """Return the firings, by latent."""
    shard = planted.firings
    return FiringsByLatent(shard.indptr, shard.tokens, shard.activations, planted.table.n_tokens)


def graph_in(planted: PlantedExperiment, *, n_workers: int) -> LatentGraph:
    """Join latents as the stage ``graph`` does by default."""
    by_latent = firings_in(planted)
    rows = sp.csr_matrix(
        (by_latent.activations.astype(np.float32), by_latent.tokens, by_latent.indptr),
        shape=(by_latent.n_latents, by_latent.n_tokens),
    ).tocsc()
    by_token = FiringsByToken(
        rows.indptr.astype(np.int64), rows.indices.astype(np.uint32), rows.data
    )
    pairs = LatentPairs(planted.decoder, by_latent, by_token, n_workers=n_workers)
    count = np.diff(by_latent.indptr)
    edges = EDGE_KINDS["cosine"](pairs), EDGE_KINDS["jaccard"](pairs)
    return LatentGraph(*edges, count, by_latent.n_tokens)


def clusters_in(
    planted: PlantedExperiment, graph: LatentGraph, *, seed: int, draws: int, n_workers: int
) -> ClusterSet:
    """Find clusters as the stage does by default, without measures."""
    progress = SilentProgress()
    token_ids = planted.table.token_id
    corpus = read_corpus(firings_in(planted), planted.decoder, token_ids, progress=progress)
    search = Search(
        CLUSTER_METHODS[:4], RESOLUTIONS, draws=draws, most=1000, seed=seed, measured=False
    )
    return find_clusters(corpus, graph, search, n_workers=n_workers, progress=progress)[0]


def places(planted: PlantedExperiment, clusters: ClusterSet) -> list[Found]:
    """Say where in the ranked list every planted thing is."""
    members = [clusters.members(place) for place in range(clusters.n_clusters)]
    found = []
    for number, thing in enumerate(planted.plan.things):
        latents = planted.plan.population.latents_of(number)
        f1 = np.array([_f1(latents, group) for group in members])
        good = np.flatnonzero(f1 >= FOUND_F1)
        rank = int(good[0]) + 1 if len(good) else 0
        best = float(f1[rank - 1] if rank else f1.max(initial=0.0))
        p = float(clusters.measures["p"][rank - 1]) if rank else float("nan")
        found.append(Found(thing.name, thing.kind, thing.is_decoy, rank, best, p))
    return found


def _f1(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * len(np.intersect1d(one, other)) / (len(one) + len(other))
