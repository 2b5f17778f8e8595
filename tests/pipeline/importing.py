"""One small experiment, written in every layout that can be imported."""

import itertools
import json
from pathlib import Path

import numpy as np

from feature_manifold.core.arrays import Array
from feature_manifold.export.rows import spec_rows
from feature_manifold.store.layout import ExperimentPaths
from feature_manifold.store.manifest import make_manifest, write_manifest
from feature_manifold.store.npy import save_npy
from feature_manifold.store.shards import shard_records, write_shard
from feature_manifold.store.spec_layout import FiringRows, write_spec_shard
from feature_manifold.store.token_table import (
    TokenTable,
    TokenTableWriter,
    open_token_table,
    save_metadata,
    save_vocabulary,
)
from tests import reference

N_LATENTS, D_MODEL = 24, 5
ID = "toy_layer2_24_small"
SILENT_TAIL = 6
METADATA = {
    "model_name": "maker/toy",
    "layer": 2,
    "sae_width": "24",
    "sae_l0": "small",
    "n_latents": N_LATENTS,
    "d_model": D_MODEL,
}
VOCABULARY = ["<bos>", *(f" word{number}" for number in range(1, 8))]


def finish(folder: Path, stage: str, inputs: dict[str, str], **facts: int) -> str:
    """Write a manifest as a stage does, and return its digest."""
    known = shard_records(folder) if stage == "harvest" else None
    manifest = make_manifest(
        folder,
        format=stage,
        format_version=1,
        config={},
        inputs=inputs,
        seed=None,
        facts=facts,
        known_files=known,
    )
    write_manifest(folder, manifest)
    return manifest.digest


def write_corpus(folder: Path) -> TokenTable:
    """Six documents of two windows each, every window with its BOS; the last one stays silent."""
    folder.mkdir(parents=True)
    with TokenTableWriter(folder) as writer:
        for document in range(6):
            writer.append_document(file=0, record=document)
            for first in (0, 8):
                places = np.arange(first, first + 8)
                ids = 1 + (places * 3 + document) % (len(VOCABULARY) - 1)
                writer.append_window(
                    np.concatenate([[0], ids]), np.concatenate([[-1], places]), doc_id=document
                )
    save_vocabulary(folder, VOCABULARY)
    save_metadata(folder, {"special_ids": [0], "num_tokens": 96})
    return open_token_table(folder)


def firings(table: TokenTable, *, dtype: type = np.float16) -> Array:
    """Activations (n_tokens, N_LATENTS): some latents silent, one always on, no BOS, a tail."""
    random = np.random.default_rng(3)
    dense = random.uniform(0.25, 8, (table.n_tokens, N_LATENTS)).astype(dtype)
    dense[random.random(dense.shape) > 0.3] = 0
    dense[:, 4] = 1.5
    dense[:, 7] = dense[:, N_LATENTS - 1] = 0
    dense[np.asarray(table.position) == -1] = 0
    dense[-SILENT_TAIL:] = 0
    return dense


def decoder() -> Array:
    return np.random.default_rng(5).standard_normal((N_LATENTS, D_MODEL)).astype(np.float32)


def write_native(root: Path, *, cuts: tuple[int, ...] = (40,), dtype: type = np.float16) -> Path:
    """Write the experiment in our own layout, as far as a harvest makes it."""
    paths = ExperimentPaths(root, root / "visualizer")
    table = write_corpus(paths.corpus)
    digest = finish(paths.corpus, "corpus", {}, n_tokens=table.n_tokens)
    paths.raw_activations.mkdir()
    shards = reference.shards_of(firings(table, dtype=dtype), cuts)
    for number, shard in enumerate(shards):
        write_shard(paths.raw_activations, number, shard, config={}, inputs={})
    save_npy(paths.decoder, decoder())
    n_firings = sum(shard.n_firings for shard in shards)
    save_metadata(root, METADATA | {"num_tokens": 96, "experiment_id": ID})
    facts = {"n_firings": n_firings, "n_latents": N_LATENTS, "n_shards": len(shards)}
    finish(paths.raw_activations, "harvest", {"corpus": digest}, **facts)
    return root


def rows_of(folder: Path, *, dtype: type = np.float16, cuts: tuple[int, ...] = ()) -> FiringRows:
    """Return all rows of the experiment in the specification's form."""
    table = write_corpus(folder)
    parts = list(spec_rows(reference.shards_of(firings(table, dtype=dtype), cuts), table))
    return joined(parts)


def joined(parts: list[FiringRows]) -> FiringRows:
    names = [name for name in FiringRows.__dataclass_fields__ if name != "name"]
    return FiringRows(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    )


def cut(rows: FiringRows, start: int, stop: int) -> FiringRows:
    names = [name for name in FiringRows.__dataclass_fields__ if name != "name"]
    return FiringRows(**{name: getattr(rows, name)[start:stop] for name in names})


def write_spec(
    folder: Path,
    *,
    rows_per_file: int = 50,
    dtype: type = np.float16,
    with_decoder: bool = True,
    **metadata: object,
) -> Path:
    """Write the experiment as ``shard_*.npz``: two empty ones, five digits and six."""
    rows = rows_of(folder.with_name(folder.name + "-tokens"), dtype=dtype)
    folder.mkdir(parents=True)
    edges = [0, 0, *range(rows_per_file, len(rows.activations), rows_per_file)]
    edges += [len(rows.activations)] * 2
    for number, (start, stop) in enumerate(itertools.pairwise(edges)):
        name = f"shard_{number:05d}.npz" if number < 3 else f"shard_{number:06d}.npz"
        write_spec_shard(folder / name, cut(rows, start, stop))
    if with_decoder:
        np.save(folder / "decoder.npy", decoder())
    values = METADATA | {"num_tokens": 96, "n_tokens": 108, "num_shards": len(edges) - 1}
    stated = {key: value for key, value in (values | metadata).items() if value is not None}
    (folder / "metadata.json").write_text(json.dumps(stated))
    return folder


def write_prototype(folder: Path, *, with_decoder: bool = True) -> Path:
    """Write the experiment as the prototype's per-latent files and corpus arrays."""
    table = write_corpus(folder.with_name(folder.name + "-tokens"))
    dense = reference.by_latent_of(firings(table))
    (folder / "latents").mkdir(parents=True)
    for latent in range(N_LATENTS):
        tokens, activations = dense.latent(latent)
        np.savez(
            folder / "latents" / f"{latent:05d}.npz",
            token_indices=tokens.astype(np.int64),
            activations=activations,
        )
    (folder / "corpus").mkdir()
    np.save(folder / "corpus" / "token_ids.npy", np.asarray(table.token_id))
    places = np.stack([table.doc_id, table.position], axis=1)
    np.save(folder / "corpus" / "token_map.npy", places)
    vocab = {str(token_id): text for token_id, text in enumerate(VOCABULARY)}
    (folder / "corpus" / "vocab.json").write_text(json.dumps(vocab))
    if with_decoder:
        np.save(folder / "decoder.npy", decoder())
    (folder / "metadata.json").write_text(json.dumps(METADATA))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder but manifests and locks."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("manifest.json", ".lock")
    }
