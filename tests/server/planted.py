"""A small experiment written with the store's own writers, as every stage would leave it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from feature_manifold.core.arrays import Array
from feature_manifold.store import firings as names
from feature_manifold.store.clusters import ClusterSet, save_clusters
from feature_manifold.store.edges import save_edges
from feature_manifold.store.examples import N_BINS, ExampleSet, save_examples
from feature_manifold.store.layout import EDGES, POSITIONS, DataRoot, ExperimentPaths
from feature_manifold.store.manifest import make_manifest, write_manifest
from feature_manifold.store.npy import save_npy
from feature_manifold.store.statistics import STATISTICS_DTYPE
from feature_manifold.store.token_table import (
    TokenTableWriter,
    save_metadata,
    save_vocabulary,
)
from feature_manifold.store.type_rows import save_type_rows

EXPERIMENT_ID = "toy_layer1_1k_small"
D_MODEL = 4
DEAD, ALWAYS = 3, 4
MONDAY, MONDAY_BARE, MONDAYS, SCRIPT = 1, 2, 3, 4

HOSTILE_VOCABULARY = [
    "<bos>",
    " Monday",
    "monday",
    " Mondays",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "‮evil\u0000",
    "🦄\u0301",
    "\n",
    " ",
]


@dataclass(frozen=True)
class Planted:
    """Arrays of the experiment, to compare answers with."""

    n_latents: int
    token_id: Array
    tokens: Array
    latents: Array
    activations: Array
    positions: Array
    edges: sp.csr_matrix


def finish(folder: Path, *, version: int = 1) -> None:
    """Write the manifest: the folder is complete."""
    manifest = make_manifest(
        folder,
        format="test",
        format_version=version,
        config={},
        inputs={},
        seed=0,
        facts={},
    )
    write_manifest(folder, manifest)


def plant(*, n_latents: int = 6) -> Planted:
    """Make two windows of six tokens; each token but BOS fires its latent, and latent 4."""
    token_id = np.array([0, 1, 2, 3, 4, 5, 0, 6, 7, 8, 9, 1], dtype=np.int32)
    text = np.flatnonzero(token_id)
    own = np.array([0, 0, 0, 1, 1, 2, 2, 5, 5, 0])
    tokens = np.concatenate([text, text])
    latents = np.concatenate([own, np.full(len(text), ALWAYS)])
    activations = np.linspace(0.5, 9.5, len(tokens)).astype(np.float16)
    rng = np.random.default_rng(7)
    upper = np.triu(rng.uniform(0.1, 1, (n_latents, n_latents)).astype(np.float32), 1)
    upper[DEAD] = upper[:, DEAD] = 0
    return Planted(
        n_latents=n_latents,
        token_id=token_id,
        tokens=tokens,
        latents=latents,
        activations=activations,
        positions=rng.uniform(0, 1, (n_latents, 2)).astype(np.float32),
        edges=sp.csr_matrix(upper + upper.T),
    )


def write_experiment(root: Path, planted: Planted, experiment_id: str = EXPERIMENT_ID) -> None:
    """Write every artifact of the experiment."""
    paths = DataRoot(root).experiment(experiment_id)
    write_corpus(paths, planted)
    write_index(paths, planted)
    write_graph(paths, planted)
    write_examples(paths, planted)
    write_clusters(paths)
    save_npy(paths.decoder, np.eye(planted.n_latents, D_MODEL, dtype=np.float32))
    save_metadata(
        paths.root,
        {
            "model_name": "org/toy",
            "layer": 1,
            "sae_width": "1k",
            "sae_l0": "small",
            "num_tokens": int(np.count_nonzero(planted.token_id)),
            "n_latents": planted.n_latents,
            "d_model": D_MODEL,
        },
    )


def write_corpus(paths: ExperimentPaths, planted: Planted) -> None:
    paths.corpus.mkdir(parents=True)
    with TokenTableWriter(paths.corpus) as writer:
        for record, row in enumerate(np.split(planted.token_id, 2)):
            document = writer.append_document(file=0, record=record)
            writer.append_window(row, np.arange(-1, len(row) - 1), doc_id=document)
    save_vocabulary(paths.corpus, HOSTILE_VOCABULARY)
    save_metadata(paths.corpus, {"bos_id": 0})
    finish(paths.corpus)


def offsets(groups: Array, n_groups: int) -> Array:
    return np.append(0, np.cumsum(np.bincount(groups, minlength=n_groups))).astype(np.int64)


def write_index(paths: ExperimentPaths, planted: Planted) -> None:
    folder = paths.latents
    folder.mkdir(parents=True)
    n_tokens = len(planted.token_id)
    by_latent = np.lexsort((planted.tokens, planted.latents))
    by_token = np.lexsort((planted.latents, planted.tokens))
    save_npy(folder / names.INDPTR, offsets(planted.latents, planted.n_latents))
    save_npy(folder / names.TOKENS, planted.tokens[by_latent].astype(np.uint32))
    save_npy(folder / names.ACTIVATIONS, planted.activations[by_latent])
    save_npy(folder / names.TOKEN_INDPTR, offsets(planted.tokens, n_tokens))
    save_npy(folder / names.TOKEN_LATENTS, planted.latents[by_token].astype(np.uint32))
    save_npy(folder / names.TOKEN_ACTIVATIONS, planted.activations[by_token])
    save_npy(folder / names.STATISTICS, statistics(planted))
    finish(folder)


def statistics(planted: Planted) -> Array:
    rows = np.zeros(planted.n_latents, dtype=STATISTICS_DTYPE)
    rows["label_token_id"] = -1
    for latent in range(planted.n_latents):
        fires = planted.latents == latent
        if not fires.any():
            continue
        values = planted.activations[fires].astype(np.float64)
        ids, counts = np.unique(planted.token_id[planted.tokens[fires]], return_counts=True)
        low, middle, high = np.percentile(values, (10, 50, 90))
        rows[latent] = (
            *(len(values), values.min(), values.max(), values.mean(), low, middle, high),
            *(ids[counts.argmax()], counts.max()),
        )
    return rows


def write_graph(paths: ExperimentPaths, planted: Planted) -> None:
    folder = paths.graph
    folder.mkdir(parents=True)
    save_npy(folder / POSITIONS["cosine"], planted.positions)
    save_npy(folder / POSITIONS["coactivation"], 1 - planted.positions)
    save_edges(folder / EDGES["cosine"], planted.edges)
    save_edges(folder / EDGES["jaccard"], planted.edges * 0.5)
    finish(folder)


def write_examples(paths: ExperimentPaths, planted: Planted) -> None:
    """Write one example per firing, a token wide on either side, within its window."""
    folder = paths.examples
    folder.mkdir(parents=True)
    order = np.lexsort((planted.tokens, planted.latents))
    rows = planted.tokens[order]
    window = rows // 6 * 6
    start, stop = np.maximum(rows - 1, window + 1), np.minimum(rows + 2, window + 6)
    pairs, counts = np.unique(
        np.stack([planted.latents, planted.token_id[planted.tokens]]), axis=1, return_counts=True
    )
    ranked = np.lexsort((pairs[1], -counts, pairs[0]))
    bins = np.zeros((planted.n_latents, N_BINS + 1))
    histogram = np.zeros((planted.n_latents, N_BINS), dtype=np.int64)
    for latent in set(planted.latents.tolist()):
        values = planted.activations[planted.latents == latent].astype(np.float64)
        histogram[latent], bins[latent] = np.histogram(values, N_BINS)
    save_examples(
        folder,
        ExampleSet(
            indptr=offsets(planted.latents, planted.n_latents),
            start=start,
            stop=stop,
            group=np.zeros(len(rows), dtype=np.uint8),
            histogram_bins=bins,
            histogram_counts=histogram,
            token_indptr=offsets(pairs[0], planted.n_latents),
            token_ids=pairs[1][ranked],
            token_counts=counts[ranked],
        ),
    )
    order = np.argsort(planted.token_id, kind="stable").astype(np.uint32)
    save_type_rows(folder, offsets(planted.token_id, len(HOSTILE_VOCABULARY)), [order])
    finish(folder)


def write_clusters(paths: ExperimentPaths) -> None:
    """Write three clusters; the measure does not apply to the second."""
    folder = paths.clusters
    folder.mkdir(parents=True)
    save_clusters(
        folder,
        ClusterSet(
            indptr=np.array([0, 3, 5, 6]),
            latents=np.array([0, 1, 5, 1, 2, 0]),
            core_indptr=np.array([0, 2, 2, 3]),
            core_token_ids=np.array([MONDAY, SCRIPT, MONDAYS]),
            measures={
                "score": np.array([3.0, 2.0, 1.0]),
                "separability": np.array([0.5, np.nan, 0.75]),
            },
        ),
    )
    finish(folder)
