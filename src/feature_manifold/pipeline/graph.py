"""Stage ``graph``: positions of the latents and the edges between them."""

from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from feature_manifold.core.config import ExperimentConfig
from feature_manifold.core.errors import CorruptArtifactError, MissingArtifactError
from feature_manifold.geometry.backends import WORTH_TORCH, check_device
from feature_manifold.geometry.candidates import SPARE
from feature_manifold.geometry.cosine import BLOCK
from feature_manifold.pipeline.index import index_size
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
from feature_manifold.store.npy import open_npy, save_npy
from feature_manifold.store.token_table import save_metadata

# Column of four bytes, weight of four.
ENTRY_BYTES = 8
ROW_BYTES = 4
POSITION_BYTES = 8

ENTRIES_KEPT = {"cosine": 1.5, "jaccard": 1.35, "coactivation": 1.9}
"""Entries of a symmetric matrix per neighbour listed, between 1 and 2: measured on planted data."""

NOMINAL_D_MODEL = 5376
PROCESS_BYTES = 430 << 20
TORCH_BYTES = 200 << 20
"""The interpreter, its libraries and compiled kernels; torch, where it may be used."""

# What the parts of the stage hold at their peak, of each neighbour listed.
LAYOUT_BYTES = 150
OVERLAP_BYTES = 85
COMBINED_BYTES = 75


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
        device=config.device,
        progress=context.progress,
    )
    facts: dict[str, Any] = {"top_k": config.edges_top_k}
    for kind in kinds:
        edges = EDGE_KINDS[kind](pairs)
        save_edges(context.folder / EDGES[kind], edges)
        facts[f"n_{kind}_edges"] = int(edges.nnz) // 2
    for layout in layouts:
        with context.progress.task(f"lay out by {layout}", total=1) as task:
            placed = LAYOUTS[layout](pairs, min_dist=config.umap_min_dist, seed=config.seed)
            task.advance()
        save_npy(context.folder / POSITIONS[layout], placed.positions)
    facts |= {"neighbours": "exact", "kept": "if either lists the other"}
    facts |= {"layouts": layouts, "edges": kinds, "umap_neighbors": config.umap_neighbors}
    facts |= {"umap_min_dist": config.umap_min_dist, "n_latents": experiment.by_latent.n_latents}
    save_metadata(context.folder, facts)
    return StageResult(facts=facts)


def graph_size(config: ExperimentConfig, paths: ExperimentPaths) -> "GraphSize":
    """Return what the work of an experiment's graph depends on, as far as it is known."""
    index = read_manifest(paths.latents)
    if index is None:
        size = index_size(config, paths)
        n_latents, n_firings, n_tokens = size.n_latents, size.n_firings, size.n_tokens
    else:
        n_latents, n_firings, n_tokens = (
            int(index.facts[name]) for name in ("n_latents", "n_firings", "n_tokens")
        )
    d_model = NOMINAL_D_MODEL
    # A decoder that is missing or damaged will be made again before it is read.
    with suppress(MissingArtifactError, CorruptArtifactError):
        d_model = open_npy(paths.decoder, dtypes=("<f4",), shape=(None, None)).shape[1]
    most = max(1, n_latents - 1)
    return GraphSize(
        n_latents,
        d_model,
        n_firings,
        n_tokens,
        top_k=min(config.edges_top_k, most),
        listed=min(max(config.edges_top_k, config.umap_neighbors), most),
    )


@dataclass(frozen=True)
class GraphSize:
    """What disk and memory of the stage depend on.

    Attributes
    ----------
    n_latents, d_model, n_firings, n_tokens
        Of decoder and index.
    top_k
        Edges kept per latent.
    listed
        Neighbours listed per latent.
    """

    n_latents: int
    d_model: int
    n_firings: int
    n_tokens: int
    top_k: int
    listed: int

    def disk_bytes(self, kinds: list[str], layouts: list[str]) -> int:
        """Size of the files."""
        kept = self.top_k * self.n_latents
        entries = sum(min(ENTRIES_KEPT[kind] * kept, self.n_latents**2) for kind in kinds)
        rows = len(kinds) * ROW_BYTES + len(layouts) * POSITION_BYTES
        return int(entries * ENTRY_BYTES) + rows * self.n_latents

    def memory_bytes(self, *, co_firing: bool) -> int:
        """Resident memory at the peak of the part that takes most."""
        decoder = 4 * self.n_latents * self.d_model
        cell = self.n_latents * self.listed
        block = 4 * min(self.n_latents, BLOCK) ** 2
        room = 8 * self.n_latents * min(self.n_latents, 2 * self.listed + SPARE)
        parts = [decoder + room + block, LAYOUT_BYTES * cell]
        if co_firing:
            firing = 2 if self.n_latents <= 1 << 16 else 4
            parts.append(firing * self.n_firings + 8 * self.n_tokens + OVERLAP_BYTES * cell)
            parts.append(decoder + COMBINED_BYTES * cell)
        large = self.n_latents**2 * self.d_model >= WORTH_TORCH and find_spec("torch")
        return PROCESS_BYTES + (TORCH_BYTES if large else 0) + max(parts)


def _estimate(config: ExperimentConfig, paths: ExperimentPaths) -> int:
    return graph_size(config, paths).disk_bytes(*wanted(config))


def _memory(config: ExperimentConfig, paths: ExperimentPaths) -> int:
    kinds, layouts = wanted(config)
    co_firing = "coactivation" in layouts or len(kinds) > 1
    return graph_size(config, paths).memory_bytes(co_firing=co_firing)


def _check(config: ExperimentConfig) -> None:
    check_device(config.device)


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
    memory=_memory,
    check=_check,
    fingerprints=_fingerprints,
)
