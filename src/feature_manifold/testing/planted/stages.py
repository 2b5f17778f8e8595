"""The stages that put a planted experiment where a corpus and a harvest would be."""

from typing import Any

import numpy as np

from feature_manifold.core.config import ExperimentConfig
from feature_manifold.core.jobs import in_order
from feature_manifold.index.blocks import BLOCK_FIRINGS
from feature_manifold.pipeline.harvest import FIRING_BYTES, write_labels
from feature_manifold.pipeline.stage import Stage, StageContext, StageResult
from feature_manifold.store.atomic import STAGING_SUFFIX, commit_file, sync_file
from feature_manifold.store.layout import (
    DECODER,
    FORMAT_VERSIONS,
    METADATA,
    ExperimentPaths,
)
from feature_manifold.store.npy import NpyWriter, save_npy
from feature_manifold.store.shards import (
    drop_shards,
    is_shard_current,
    open_shard,
    shard_folder,
    write_shard,
)
from feature_manifold.store.spec_layout import write_json
from feature_manifold.store.token_table import (
    DOC_ID,
    DOCUMENTS,
    POSITION,
    TOKEN_ID,
    WINDOWS,
    save_metadata,
    save_vocabulary,
)
from feature_manifold.testing.planted.decoder import BLOCK_ROWS
from feature_manifold.testing.planted.experiment import PlantedPlan
from feature_manifold.testing.planted.text import BOS_ID
from feature_manifold.testing.planted.truth import ground_truth

NAME = "planted"
GROUND_TRUTH = "ground_truth.json"
CONFIG_FILE = "config.yaml"
BASE_MEMORY = 250_000_000
"""The interpreter, its libraries and compiled kernels."""
LATENT_MEMORY = 2000
"""What a latent takes in the plan, in its label and in the ground truth."""
TABLE_ROWS = 1 << 20
"""Token rows drawn at a time: 1 M x 60 bytes with what they are drawn from."""


def planted_stages(plan: PlantedPlan) -> tuple[Stage, Stage]:
    """Return stages that stand for ``corpus`` and ``harvest``.

    What they write is what those would have: the stages after them, and a later ``fmi run``, take
    it for current.
    """

    def fingerprints(config: ExperimentConfig, paths: ExperimentPaths) -> dict[str, str]:
        return {"planted-spec": plan.spec.digest}

    corpus = Stage(
        name="corpus",
        version=FORMAT_VERSIONS["corpus"],
        does="plant the corpus",
        folder=lambda paths: paths.corpus,
        inputs=(),
        run=lambda context: _write_corpus(plan, context),
        estimate=lambda config, paths: 12 * plan.corpus.n_tokens,
        memory=lambda config, paths: BASE_MEMORY + 60 * min(plan.corpus.n_tokens, TABLE_ROWS),
        fingerprints=fingerprints,
    )
    harvest = Stage(
        name="harvest",
        version=FORMAT_VERSIONS["harvest"],
        does="plant the firings and the decoder",
        folder=lambda paths: paths.raw_activations,
        inputs=("corpus",),
        run=lambda context: _write_harvest(plan, context),
        estimate=lambda config, paths: harvest_bytes(plan),
        memory=lambda config, paths: _harvest_memory(plan, config.threads),
        fingerprints=fingerprints,
        resumable=True,
    )
    return corpus, harvest


def harvest_bytes(plan: PlantedPlan) -> int:
    """Return about what shards and decoder take."""
    spec = plan.spec
    return plan.n_firings * FIRING_BYTES + 4 * spec.n_latents * spec.d_model


def _harvest_memory(plan: PlantedPlan, n_workers: int) -> int:
    """Return about what the hungriest of its three steps takes."""
    spec = plan.spec
    # A block that is drawn is squared and divided; finished ones wait to be written.
    decoder = 6 * 4 * BLOCK_ROWS * spec.d_model
    # Tokens and activations as drawn, and as written: 4 + 4 + 4 + 2 bytes.
    firings = min(n_workers, len(plan.shards)) * 14 * plan.shard_firings
    labels = 20 * min(plan.n_firings, BLOCK_FIRINGS) + 8 * spec.n_tokens
    return BASE_MEMORY + max(decoder, firings, labels) + LATENT_MEMORY * spec.n_latents


def _write_corpus(plan: PlantedPlan, context: StageContext) -> StageResult:
    folder, corpus, spec = context.folder, plan.corpus, plan.spec
    names = (TOKEN_ID, DOC_ID, POSITION)
    writers = [NpyWriter(folder / name, np.int32) for name in names]
    with context.progress.task("corpus", total=corpus.n_tokens, unit="tokens") as task:
        for first, last in corpus.ranges(TABLE_ROWS):
            table = corpus.table(first, last)
            for writer, column in zip(
                writers, (table.token_id, table.doc_id, table.position), strict=True
            ):
                writer.append(column)
            task.advance(table.n_tokens)
    for writer in writers:
        writer.close()
    save_npy(folder / WINDOWS, corpus.windows)
    save_npy(folder / DOCUMENTS, corpus.table(0, 0).documents)
    save_vocabulary(folder, corpus.vocabulary.texts)
    config = context.config
    facts = {
        "num_tokens": spec.n_tokens,
        "n_tokens": corpus.n_tokens,
        "n_documents": corpus.n_documents,
        "n_empty_documents": 0,
        "n_windows": corpus.n_windows,
        "is_complete": True,
    }
    described = {
        "corpus": config.corpus,
        "corpus_split": config.corpus_split,
        "text_key": config.text_key,
        "model": config.model,
        "seq_len": config.seq_len,
        "files": [NAME],
        "bos_id": BOS_ID,
        "special_ids": [BOS_ID],
    }
    save_metadata(folder, {**described, **facts})
    return StageResult(facts=facts)


def _write_harvest(plan: PlantedPlan, context: StageContext) -> StageResult:
    # It would name what is about to be replaced.
    (context.paths.root / CONFIG_FILE).unlink(missing_ok=True)
    write_decoder(plan, context)
    n_firings = _write_shards(plan, context)
    write_labels(context)
    write_json(context.paths.root / GROUND_TRUTH, ground_truth(plan))
    metadata = metadata_of(plan, context.config, n_firings=n_firings)
    save_metadata(context.folder, metadata)
    save_metadata(context.paths.root, metadata)
    facts = {"n_latents": plan.spec.n_latents, "d_model": plan.spec.d_model}
    facts |= {"n_shards": len(plan.shards), "n_firings": n_firings}
    outside = tuple(f"../{name}" for name in (DECODER, METADATA, GROUND_TRUTH))
    return StageResult(facts=facts, outside=outside)


def metadata_of(plan: PlantedPlan, config: ExperimentConfig, *, n_firings: int) -> dict[str, Any]:
    """Return what names the experiment, under the keys of a harvest."""
    return {
        "experiment_id": config.experiment_id,
        "model_name": config.model,
        "model_revision": plan.spec.digest,
        "layer": config.layer,
        "sae_release": NAME,
        "sae_id": config.sae_id,
        "sae_width": config.sae_width,
        "sae_l0": config.sae_l0,
        "sae_sha256": plan.spec.digest,
        "sae_architecture": NAME,
        "corpus": config.corpus,
        "num_tokens": plan.spec.n_tokens,
        "num_shards": len(plan.shards),
        "n_shards": len(plan.shards),
        "n_firings": n_firings,
        "n_latents": plan.spec.n_latents,
        "d_model": plan.spec.d_model,
    }


def write_decoder(plan: PlantedPlan, context: StageContext) -> None:
    """Write ``decoder.npy`` in blocks of rows; it appears when it is whole."""
    path = context.paths.decoder
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + STAGING_SUFFIX)
    n_latents = plan.spec.n_latents
    with (
        NpyWriter(aside, np.float32, (plan.spec.d_model,)) as writer,
        context.progress.task("decoder", total=n_latents, unit="latents") as task,
    ):
        for rows in plan.decoder.blocks():
            writer.append(rows)
            task.advance(len(rows))
    sync_file(aside)
    commit_file(aside, path)


def _write_shards(plan: PlantedPlan, context: StageContext) -> int:
    """Write the shards that are not there yet; return the number of firings in all."""
    folder, windows, ranges = context.folder, plan.corpus.windows, plan.shards
    part, inputs = context.stage_config("harvest"), dict(context.inputs)
    drop_shards(folder, from_number=len(ranges))

    def write(number: int) -> int:
        first, last = ranges[number]
        start, stop = int(windows[first]), int(windows[last])
        kept = is_shard_current(folder, number, start=start, stop=stop, config=part, inputs=inputs)
        if not kept:
            shard = plan.firings.shard(first, last)
            write_shard(folder, number, shard, config=part, inputs=inputs)
        return open_shard(shard_folder(folder, number)).n_firings

    total = 0
    with context.progress.task("firings", total=plan.corpus.n_tokens, unit="tokens") as task:
        numbers = range(len(ranges))
        for number, n_firings in zip(
            numbers, in_order(write, numbers, n_workers=context.config.threads), strict=True
        ):
            total += n_firings
            first, last = ranges[number]
            task.advance(int(windows[last] - windows[first]))
    return total
