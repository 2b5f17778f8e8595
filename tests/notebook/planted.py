"""A small experiment of weekdays and months, each on a circle, with hostile texts among them.

Written with the store's own writers, so that no kernel has to be compiled.
"""

from pathlib import Path

import numpy as np
import scipy.sparse as sp

from feature_manifold.core.arrays import Array
from feature_manifold.store import firings as names
from feature_manifold.store.clusters import ClusterSet, save_clusters
from feature_manifold.store.edges import save_edges
from feature_manifold.store.examples import N_BINS, ExampleSet, save_examples
from feature_manifold.store.layout import EDGES, FORMAT_VERSIONS, POSITIONS, DataRoot
from feature_manifold.store.manifest import make_manifest, write_manifest
from feature_manifold.store.npy import save_npy
from feature_manifold.store.statistics import STATISTICS_DTYPE
from feature_manifold.store.token_table import TokenTableWriter, save_metadata, save_vocabulary
from feature_manifold.store.type_rows import save_type_rows

EXPERIMENT_ID = "almanac_layer0_2k_small"
D_MODEL = 12
N_WINDOWS, WINDOW = 160, 21
SPOKES = 8
WEEKDAYS = tuple(range(SPOKES + 1))
MONTHS = tuple(range(SPOKES + 1, 2 * SPOKES + 2))
"""Spokes, then the latent that fires on every word."""

HOSTILE = (2 * SPOKES + 2, 2 * SPOKES + 3)
RARE, SILENT = 2 * SPOKES + 4, 2 * SPOKES + 5
N_LATENTS = SILENT + 1

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
NAMES = (
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)
HOSTILE_TEXTS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "$\\frac{1}{",
    "\u202eevil\x00",
    "\U0001f984\u0301",
    "\n",
    " ",
)
VOCABULARY = [
    "<bos>",
    *(f" {name}" for name in (*DAYS, *NAMES)),
    *HOSTILE_TEXTS,
    *(f" word{number}" for number in range(30)),
]
FIRST_DAY, FIRST_MONTH, FIRST_HOSTILE = 1, 1 + len(DAYS), 1 + len(DAYS) + len(NAMES)
FIRST_WORD = FIRST_HOSTILE + len(HOSTILE_TEXTS)


def token_ids(rng: np.random.Generator) -> Array:
    """Return int32 (N_WINDOWS, WINDOW): a BOS, then words of each sort."""
    bounds = (FIRST_DAY, FIRST_MONTH, FIRST_HOSTILE, FIRST_WORD, len(VOCABULARY))
    sort = rng.choice(4, (N_WINDOWS, WINDOW), p=(0.25, 0.35, 0.15, 0.25))
    low, high = np.array(bounds[:-1])[sort], np.array(bounds[1:])[sort]
    ids = rng.integers(low, high).astype(np.int32)
    ids[:, 0] = 0
    return ids


def dense_activations(ids: Array, rng: np.random.Generator) -> Array:
    """Return float16 (n_tokens, N_LATENTS)."""
    dense = np.zeros((len(ids), N_LATENTS))
    peaks = np.arange(SPOKES) * 2 * np.pi / SPOKES
    for first, n, latents in ((FIRST_DAY, 7, WEEKDAYS), (FIRST_MONTH, 12, MONTHS)):
        on = np.flatnonzero((ids >= first) & (ids < first + n))
        angles = 2 * np.pi * (ids[on] - first) / n
        tuned = np.maximum(np.cos(angles[:, None] - peaks) - 0.2, 0) * 8
        scatter = 1 + 0.1 * rng.standard_normal((len(on), SPOKES + 1))
        dense[np.ix_(on, latents)] = np.c_[tuned, np.full(len(on), 4.0)] * scatter
    on = np.flatnonzero((ids >= FIRST_HOSTILE) & (ids < FIRST_WORD))
    number = ids[on] - FIRST_HOSTILE
    dense[np.ix_(on, HOSTILE)] = np.c_[2 + number, 3 * (number % 2)]
    dense[np.flatnonzero(ids == FIRST_WORD)[:3], RARE] = 1
    return dense.astype(np.float16)


def decoder(rng: np.random.Generator) -> Array:
    """Return float32 (N_LATENTS, D_MODEL): spokes on a circle and a hub, in three dimensions."""
    rows = 0.05 * rng.standard_normal((N_LATENTS, D_MODEL))
    peaks = np.arange(SPOKES) * 2 * np.pi / SPOKES
    for axis, latents in ((0, WEEKDAYS), (3, MONTHS)):
        rows[latents[:-1], axis] += np.cos(peaks)
        rows[latents[:-1], axis + 1] += np.sin(peaks)
        rows[list(latents), axis + 2] += 0.4
    rows[[*HOSTILE, RARE, SILENT], [6, 7, 8, 9]] += 1
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def write_almanac(root: Path) -> Path:
    """Write every artifact below a data root; return the experiment's folder."""
    rng = np.random.default_rng(5)
    paths = DataRoot(root).experiment(EXPERIMENT_ID)
    ids, rows = token_ids(rng), decoder(rng)
    dense = dense_activations(ids.ravel(), rng)
    for folder in (paths.corpus, paths.latents, paths.graph, paths.examples, paths.clusters):
        folder.mkdir(parents=True)
    _write_corpus(paths.corpus, ids)
    _write_index(paths.latents, dense, ids.ravel())
    _write_graph(paths.graph, rows, dense)
    _write_examples(paths.examples, ids.ravel())
    _write_clusters(paths.clusters)
    for stage in ("corpus", "index", "graph", "clusters", "examples"):
        _finish(paths.by_stage[stage], FORMAT_VERSIONS[stage])
    save_npy(paths.decoder, rows)
    own = {"model_name": "org/toy", "layer": 0, "sae_width": "2k", "sae_l0": "small"}
    n_corpus = N_WINDOWS * (WINDOW - 1)
    sizes = {"num_tokens": n_corpus, "n_latents": N_LATENTS, "d_model": D_MODEL}
    save_metadata(paths.root, {**own, **sizes})
    return paths.root


def _finish(folder: Path, version: int) -> None:
    manifest = make_manifest(
        folder, format="test", format_version=version, config={}, inputs={}, seed=0, facts={}
    )
    write_manifest(folder, manifest)


def _offsets(groups: Array, n_groups: int) -> Array:
    return np.append(0, np.cumsum(np.bincount(groups, minlength=n_groups))).astype(np.int64)


def _write_corpus(folder: Path, ids: Array) -> None:
    with TokenTableWriter(folder) as writer:
        for record, row in enumerate(ids):
            document = writer.append_document(file=0, record=record)
            writer.append_window(row, np.arange(-1, WINDOW - 1), doc_id=document)
    save_vocabulary(folder, VOCABULARY)
    save_metadata(folder, {"bos_id": 0})


def _write_index(folder: Path, dense: Array, ids: Array) -> None:
    latents, tokens = np.nonzero(dense.T)
    save_npy(folder / names.INDPTR, _offsets(latents, N_LATENTS))
    save_npy(folder / names.TOKENS, tokens.astype(np.uint32))
    save_npy(folder / names.ACTIVATIONS, dense[tokens, latents])
    places, own = np.nonzero(dense)
    save_npy(folder / names.TOKEN_INDPTR, _offsets(places, len(ids)))
    save_npy(folder / names.TOKEN_LATENTS, own.astype(np.uint32))
    save_npy(folder / names.TOKEN_ACTIVATIONS, dense[places, own])
    statistics = np.zeros(N_LATENTS, dtype=STATISTICS_DTYPE)
    statistics["label_token_id"] = -1
    for latent in range(N_LATENTS):
        fires = np.flatnonzero(dense[:, latent])
        if len(fires):
            counts = np.bincount(ids[fires])
            statistics[latent] = (len(fires), 0, 0, dense[fires, latent].mean(dtype=float), 0, 0, 0,
                                  counts.argmax(), counts.max())  # fmt: skip
    save_npy(folder / names.STATISTICS, statistics)


def _write_graph(folder: Path, rows: Array, dense: Array) -> None:
    for name in POSITIONS.values():
        save_npy(folder / name, np.full((N_LATENTS, 2), 0.5, dtype=np.float32))
    cosines = np.maximum(rows @ rows.T, 0)
    fires = (dense > 0).astype(np.float32)
    both = fires.T @ fires
    counts = np.diag(both)
    jaccard = both / np.maximum(counts[:, None] + counts - both, 1)
    for kind, weights in (("cosine", cosines), ("coactivation", both), ("jaccard", jaccard)):
        np.fill_diagonal(weights, 0)
        save_edges(folder / EDGES[kind], sp.csr_matrix(weights.astype(np.float32)))


def _write_examples(folder: Path, ids: Array) -> None:
    none = np.zeros(N_LATENTS + 1)
    empty = np.zeros(0)
    save_examples(
        folder,
        ExampleSet(
            indptr=none,
            start=empty,
            stop=empty,
            group=empty,
            histogram_bins=np.zeros((N_LATENTS, N_BINS + 1)),
            histogram_counts=np.zeros((N_LATENTS, N_BINS)),
            token_indptr=none,
            token_ids=empty,
            token_counts=empty,
        ),
    )
    order = np.argsort(ids, kind="stable").astype(np.uint32)
    save_type_rows(folder, _offsets(ids, len(VOCABULARY)), [order])


def _write_clusters(folder: Path) -> None:
    members = [MONTHS, WEEKDAYS, (*HOSTILE, RARE)]
    core = [
        range(FIRST_MONTH, FIRST_HOSTILE),
        range(FIRST_DAY, FIRST_MONTH),
        range(FIRST_HOSTILE, FIRST_WORD),
    ]
    sizes = [list(map(len, rows)) for rows in (members, core)]
    indptr, core_indptr = (np.append(0, np.cumsum(size)) for size in sizes)
    measures = {
        "score": np.array([2.0, 1.5, 0.1]),
        "ring": np.array([0.9, 0.95, np.nan]),
        "p": np.array([0.01, 0.02, np.nan]),
    }
    clusters = ClusterSet(
        indptr, np.concatenate(members), core_indptr, np.concatenate(core), measures
    )
    save_clusters(folder, clusters)
