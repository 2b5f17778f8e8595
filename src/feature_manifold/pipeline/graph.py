"""Stage ``graph``: positions of the latents and the edges between them."""

from typing import Any

from feature_manifold.core.config import ExperimentConfig
from feature_manifold.pipeline.stage import Stage, StageContext, StageResult
from feature_manifold.store.edges import save_edges
from feature_manifold.store.fingerprint import fingerprint
from feature_manifold.store.layout import (
    EDGES,
    FORMAT_VERSIONS,
    POSITIONS,
    ExperimentPaths,
)
from feature_manifold.store.manifest import read_manifest
from feature_manifold.store.npy import save_npy
from feature_manifold.store.token_table import save_metadata

# An edge is kept in both directions: column of four bytes, weight of four.
EDGE_BYTES = 16
POSITION_BYTES = 16


def wanted(config: ExperimentConfig) -> tuple[list[str], list[str]]:
    """Return the kinds of edges and the layouts that the config asks for."""
    skipped = {"coactivation": config.skip_coactivation, "jaccard": config.skip_jaccard}
    kinds = [kind for kind in EDGES if not skipped.get(kind, False)]
    layouts = [layout for layout in POSITIONS if not skipped.get(layout, False)]
    return kinds, layouts


def _run(context: StageContext) -> StageResult:
    # Imported here: it needs umap and scikit-learn, which take seconds.
    from feature_manifold.geometry.edges import EDGE_KINDS, LatentPairs
    from feature_manifold.geometry.layout import LAYOUTS

    config, experiment = context.config, context.experiment
    kinds, layouts = wanted(config)
    pairs = LatentPairs(
        decoder=experiment.decoder,
        by_latent=experiment.by_latent,
        by_token=experiment.by_token,
        top_k=config.edges_top_k,
        n_neighbors=config.umap_neighbors,
        n_workers=config.threads,
        progress=context.progress,
    )
    facts: dict[str, Any] = {"top_k": config.edges_top_k}
    for kind in kinds:
        edges = EDGE_KINDS[kind](pairs)
        save_edges(context.folder / EDGES[kind], edges)
        facts[f"n_{kind}_edges"] = int(edges.nnz) // 2
    with context.progress.task("lay out", total=len(layouts), unit="layouts") as task:
        for layout in layouts:
            placed = LAYOUTS[layout](pairs, min_dist=config.umap_min_dist, seed=config.seed)
            save_npy(context.folder / POSITIONS[layout], placed.positions)
            task.advance()
    facts |= {"layouts": layouts, "edges": kinds, "umap_neighbors": config.umap_neighbors}
    facts |= {"umap_min_dist": config.umap_min_dist, "n_latents": experiment.by_latent.n_latents}
    save_metadata(context.folder, facts)
    return StageResult(facts=facts)


def _estimate(config: ExperimentConfig, paths: ExperimentPaths) -> int:
    manifest = read_manifest(paths.raw_activations)
    n_latents = int(manifest.facts["n_latents"]) if manifest else config.nominal_latents
    kinds, _ = wanted(config)
    return n_latents * (len(kinds) * config.edges_top_k * EDGE_BYTES + POSITION_BYTES)


def _fingerprints(config: ExperimentConfig, paths: ExperimentPaths) -> dict[str, str]:
    return {"decoder": fingerprint(paths.decoder)} if paths.decoder.exists() else {}


GRAPH = Stage(
    name="graph",
    version=FORMAT_VERSIONS["graph"],
    does="compute edges and lay out the latents",
    folder=lambda paths: paths.graph,
    inputs=("index",),
    run=_run,
    estimate=_estimate,
    fingerprints=_fingerprints,
)
