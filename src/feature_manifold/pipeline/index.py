"""Stage ``index``: shards to firings by latent and by token, and statistics."""

import numpy as np

from feature_manifold.core.config import ExperimentConfig
from feature_manifold.index.merge import activation_dtype, merge_shards
from feature_manifold.index.statistics import latent_statistics
from feature_manifold.index.transpose import transpose
from feature_manifold.pipeline.harvest import estimated_firings
from feature_manifold.pipeline.stage import Stage, StageContext, StageResult
from feature_manifold.store.firings import (
    ACTIVATIONS,
    INDPTR,
    STATISTICS,
    TOKEN_ACTIVATIONS,
    TOKEN_INDPTR,
    TOKEN_LATENTS,
    TOKENS,
    FiringsByLatent,
)
from feature_manifold.store.layout import (
    FORMAT_VERSIONS,
    ExperimentPaths,
)
from feature_manifold.store.manifest import read_manifest
from feature_manifold.store.npy import create_npy, save_npy
from feature_manifold.store.shards import open_shards
from feature_manifold.store.token_table import open_token_table

# Token and activation in one orientation, latent and activation in the other.
FIRING_BYTES = 12


def _run(context: StageContext) -> StageResult:
    folder, progress = context.folder, context.progress
    tokens = open_token_table(context.paths.corpus)
    shards = open_shards(context.paths.raw_activations)
    n_firings = sum(shard.n_firings for shard in shards)
    n_latents = shards[0].n_latents
    dtype = activation_dtype(shards)
    out_tokens = create_npy(folder / TOKENS, np.uint32, (n_firings,))
    out_activations = create_npy(folder / ACTIVATIONS, dtype, (n_firings,))
    indptr = merge_shards(
        shards,
        n_latents,
        n_tokens=tokens.n_tokens,
        out_tokens=out_tokens,
        out_activations=out_activations,
        progress=progress,
    )
    save_npy(folder / INDPTR, indptr)
    by_latent = FiringsByLatent(indptr, out_tokens, out_activations, tokens.n_tokens)
    by_token = transpose(
        by_latent,
        out_latents=create_npy(folder / TOKEN_LATENTS, np.uint32, (n_firings,)),
        out_activations=create_npy(folder / TOKEN_ACTIVATIONS, dtype, (n_firings,)),
        progress=progress,
    )
    save_npy(folder / TOKEN_INDPTR, by_token.indptr)
    statistics = latent_statistics(
        by_latent, tokens.token_id, n_workers=context.config.threads, progress=progress
    )
    save_npy(folder / STATISTICS, statistics)
    facts = {
        "n_firings": n_firings,
        "n_latents": n_latents,
        "n_tokens": tokens.n_tokens,
        "n_silent_latents": int((statistics["count"] == 0).sum()),
    }
    return StageResult(facts=facts)


def _estimate(config: ExperimentConfig, paths: ExperimentPaths) -> int:
    manifest = read_manifest(paths.raw_activations)
    known = int(manifest.facts["n_firings"]) if manifest else None
    return FIRING_BYTES * (estimated_firings(config, paths) if known is None else known)


INDEX = Stage(
    name="index",
    version=FORMAT_VERSIONS["index"],
    does="sort the firings by latent and by token",
    folder=lambda paths: paths.latents,
    inputs=("corpus", "harvest"),
    run=_run,
    estimate=_estimate,
)
