"""Stage ``clusters``: groups of latents that look like manifolds, ranked."""

from typing import Any

import scipy.sparse as sp

from feature_manifold.core.config import ExperimentConfig
from feature_manifold.core.errors import ConfigError
from feature_manifold.pipeline.graph import graph_size
from feature_manifold.pipeline.stage import Stage, StageContext, StageResult
from feature_manifold.store.clusters import save_clusters
from feature_manifold.store.fingerprint import fingerprint
from feature_manifold.store.layout import FORMAT_VERSIONS, ExperimentPaths
from feature_manifold.store.token_table import save_metadata

NEED_COFIRING = ("leiden-jaccard", "leiden-phi", "leiden-combined")
"""Methods that read graph/jaccard_similarity.npz."""

# How many clusters there are, only the search tells. Planted experiments of 8,192 to 65,536 latents
# have one for about so many; the shipped model, made of manifolds, fifteen times as many, in 80 KB.
LATENTS_PER_CLUSTER = 520
# What one takes, members, core tokens and measures, and the names and headers of all.
CLUSTER_BYTES = 1100
FIXED_BYTES = 3000

# The interpreter, its libraries and compiled kernels; what is held of each entry of the graph, of
# each latent's strongest types while they are joined, and of each token.
PROCESS_BYTES = 440 << 20
EDGE_BYTES = 130
TYPE_BYTES = 24
TOKEN_BYTES = 8


def methods_of(config: ExperimentConfig) -> list[str]:
    """Return the ways to find clusters that the config asks for, as far as there are edges.

    Raises
    ------
    ConfigError
        If none is left.
    """
    wanted = config.cluster_methods.split(",")
    methods = [name for name in wanted if not (config.skip_jaccard and name in NEED_COFIRING)]
    if not methods:
        raise ConfigError(
            f"cluster-methods: {config.cluster_methods} needs Jaccard edges, which skip-jaccard "
            "leaves out. Choose leiden-cosine or knn, or make the edges."
        )
    return methods


def _run(context: StageContext) -> StageResult:
    # Imported here: ripser, Leiden and scikit-learn take seconds.
    from feature_manifold.geometry.clusters.affinities import LatentGraph
    from feature_manifold.geometry.clusters.discover import read_corpus
    from feature_manifold.geometry.clusters.find import Search, find_clusters

    config, experiment, progress = context.config, context.experiment, context.progress
    corpus = read_corpus(
        experiment.by_latent, experiment.decoder, experiment.tokens.token_id, progress=progress
    )
    n_latents, n_tokens = corpus.firings.n_latents, corpus.firings.n_tokens
    none = sp.csr_matrix((n_latents, n_latents))
    jaccard = none if config.skip_jaccard else experiment.edges("jaccard")
    search = Search(
        methods=methods_of(config),
        resolutions=[float(value) for value in config.cluster_resolutions.split(",")],
        draws=config.cluster_draws,
        most=config.clusters_kept,
        seed=config.seed,
    )
    clusters, n_tried = find_clusters(
        corpus,
        LatentGraph(experiment.edges("cosine"), jaccard, corpus.profiles.count, n_tokens),
        search,
        n_workers=config.threads,
        progress=progress,
    )
    save_clusters(context.folder, clusters)
    facts: dict[str, Any] = {"methods": search.methods, "resolutions": search.resolutions}
    facts |= {"n_clusters": clusters.n_clusters, "n_candidates": n_tried, "draws": search.draws}
    facts |= {"n_selective": int(corpus.selective.sum())}
    save_metadata(context.folder, facts)
    return StageResult(facts=facts)


def _estimate(config: ExperimentConfig, paths: ExperimentPaths) -> int:
    n_latents = graph_size(config, paths).n_latents
    n_clusters = min(config.clusters_kept, n_latents // LATENTS_PER_CLUSTER + 1)
    return FIXED_BYTES + CLUSTER_BYTES * n_clusters


def _memory(config: ExperimentConfig, paths: ExperimentPaths) -> int:
    size = graph_size(config, paths)
    edges = EDGE_BYTES * size.n_latents * size.top_k
    types = TYPE_BYTES * min(size.n_latents * 256, size.n_firings)
    return PROCESS_BYTES + TOKEN_BYTES * size.n_tokens + max(edges, types)


def _check(config: ExperimentConfig) -> None:
    methods_of(config)


def _fingerprints(config: ExperimentConfig, paths: ExperimentPaths) -> dict[str, str]:
    return {"decoder": fingerprint(paths.decoder)} if paths.decoder.exists() else {}


CLUSTERS = Stage(
    name="clusters",
    version=FORMAT_VERSIONS["clusters"],
    does="find groups of latents that look like manifolds",
    folder=lambda paths: paths.clusters,
    inputs=("corpus", "index", "graph"),
    run=_run,
    estimate=_estimate,
    memory=_memory,
    check=_check,
    fingerprints=_fingerprints,
)
