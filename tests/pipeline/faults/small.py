"""An experiment of a few latents, finished up to its shards, from which the real stages go on."""

from itertools import pairwise
from pathlib import Path

import numpy as np

from feature_manifold.core.config import ExperimentConfig, make_config
from feature_manifold.core.progress import SilentProgress
from feature_manifold.pipeline.harvest import write_labels
from feature_manifold.pipeline.pipeline import experiment_paths
from feature_manifold.pipeline.stage import StageContext
from feature_manifold.store.layout import DECODER, FORMAT_VERSIONS, METADATA
from feature_manifold.store.manifest import make_manifest, write_manifest
from feature_manifold.store.npy import save_npy
from feature_manifold.store.shards import Shard, shard_records, write_shard
from feature_manifold.store.token_table import (
    TokenTableWriter,
    save_metadata,
    save_vocabulary,
)

N_LATENTS = 8
D_MODEL = 4
N_WINDOWS, WINDOW = 8, 6
N_TOKENS = N_WINDOWS * WINDOW
SILENT = 3


def small_config(data_root: Path, **values: object) -> ExperimentConfig:
    """Return the config of the small experiment."""
    own = {"model": "org/small", "layer": 1, "sae_width": "8", "sae_l0": "small"}
    cheap = {"umap_neighbors": 3, "edges_top_k": 3, "top_k": 3, "context_size": 2, "n_workers": 1}
    return make_config({**own, **cheap, "data_root": data_root, **values})


def plant(config: ExperimentConfig, *, n_shards: int = 2, seed: int = 0) -> None:
    """Write corpus, shards, decoder and metadata, as a finished harvest leaves them."""
    paths = experiment_paths(config)
    random = np.random.default_rng(seed)
    paths.corpus.mkdir(parents=True)
    token_id = random.integers(1, 9, N_TOKENS).astype(np.int32)
    with TokenTableWriter(paths.corpus) as writer:
        for record, row in enumerate(np.split(token_id, N_WINDOWS)):
            document = writer.append_document(file=0, record=record)
            writer.append_window(np.append(0, row[1:]), np.arange(-1, WINDOW - 1), doc_id=document)
    save_vocabulary(paths.corpus, ["<bos>", *(f" word{n}" for n in range(1, 10))])
    save_metadata(paths.corpus, {"bos_id": 0, "special_ids": [0], "n_tokens": N_TOKENS})
    inputs = {"corpus": _finish(config, "corpus", paths.corpus, {})}

    fires = random.random((N_TOKENS, N_LATENTS)) < 0.4
    fires[::WINDOW] = False
    fires[:, SILENT] = False
    part = config.stage_config("harvest")
    paths.raw_activations.mkdir()
    bounds = np.linspace(0, N_WINDOWS, n_shards + 1).astype(int) * WINDOW
    for number, (start, stop) in enumerate(pairwise(bounds.tolist())):
        latents, tokens = np.nonzero(fires[start:stop].T)
        values = (1 + random.random(len(tokens))).astype(np.float16)
        indptr = np.append(0, np.cumsum(np.bincount(latents, minlength=N_LATENTS)))
        shard = Shard(indptr, (tokens + start).astype(np.uint32), values, start, stop)
        write_shard(paths.raw_activations, number, shard, config=part, inputs=inputs)
    context = StageContext(config, paths, paths.raw_activations, inputs, SilentProgress())
    write_labels(context)
    save_npy(paths.decoder, random.normal(size=(N_LATENTS, D_MODEL)).astype(np.float32))
    facts = {"n_firings": int(fires.sum()), "n_latents": N_LATENTS, "n_shards": n_shards}
    metadata = {
        "model_name": config.model,
        "layer": config.layer,
        "sae_width": config.sae_width,
        "sae_l0": config.sae_l0,
        "num_tokens": N_TOKENS - N_WINDOWS,
        "d_model": D_MODEL,
        **facts,
    }
    save_metadata(paths.raw_activations, metadata)
    save_metadata(paths.root, metadata)
    _finish(config, "harvest", paths.raw_activations, inputs, facts=facts)


def _finish(
    config: ExperimentConfig,
    stage: str,
    folder: Path,
    inputs: dict[str, str],
    *,
    facts: dict[str, int] | None = None,
) -> str:
    is_harvest = stage == "harvest"
    manifest = make_manifest(
        folder,
        format=stage,
        format_version=FORMAT_VERSIONS[stage],
        config=config.stage_config(stage),
        inputs=inputs,
        seed=None,
        facts=facts or {},
        known_files=shard_records(folder) if is_harvest else None,
        outside=(f"../{DECODER}", f"../{METADATA}") if is_harvest else (),
    )
    write_manifest(folder, manifest)
    return manifest.digest
