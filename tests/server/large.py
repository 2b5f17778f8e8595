"""A large experiment of random firings, written in seconds, to time the server on."""

from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.random import Generator
from tests.server.planted import EXPERIMENT_ID, finish, offsets

from feature_manifold.store import firings as names
from feature_manifold.store.edges import save_edges
from feature_manifold.store.examples import N_BINS, ExampleSet, save_examples
from feature_manifold.store.firings import open_by_latent
from feature_manifold.store.layout import EDGES, POSITIONS, DataRoot
from feature_manifold.store.npy import save_npy
from feature_manifold.store.statistics import STATISTICS_DTYPE
from feature_manifold.store.token_table import (
    TokenTable,
    save_metadata,
    save_token_table,
    save_vocabulary,
)

WINDOW = 1000
EXAMPLES_PER_LATENT = 80
CONTEXT = 21
TOKENS_PER_LATENT = 20


def write_large(
    root: Path, *, n_latents: int, n_firings: int, n_vocabulary: int, edges_per_latent: int
) -> None:
    """Write an experiment of one window per 1,000 tokens and ten firings per token."""
    rng = np.random.default_rng(11)
    paths = DataRoot(root).experiment(EXPERIMENT_ID)
    for folder in (paths.corpus, paths.latents, paths.graph, paths.examples):
        folder.mkdir(parents=True)
    n_tokens = n_firings // 10 // WINDOW * WINDOW
    _write_corpus(paths.corpus, rng, n_tokens, n_vocabulary)
    _write_index(paths.latents, rng, n_tokens, n_latents, n_firings, n_vocabulary)
    _write_graph(paths.graph, rng, n_latents, edges_per_latent)
    _write_examples(paths.examples, rng, open_by_latent(paths.latents), n_vocabulary)
    for folder in (paths.corpus, paths.latents, paths.graph, paths.examples):
        finish(folder)
    save_npy(paths.decoder, np.zeros((n_latents, 1), dtype=np.float32))
    save_metadata(paths.root, {"model_name": "org/toy", "n_latents": n_latents, "d_model": 1})


def _write_corpus(folder: Path, rng: Generator, n_tokens: int, n_vocabulary: int) -> None:
    rows = np.arange(n_tokens)
    token_id = rng.integers(0, n_vocabulary, n_tokens)
    windows = np.arange(0, n_tokens + 1, WINDOW)
    documents = np.zeros((len(windows) - 1, 2), dtype=np.int64)
    table = TokenTable(token_id, rows // WINDOW, rows % WINDOW - 1, windows, documents)
    save_token_table(folder, table)
    save_vocabulary(folder, [f" word{number}" for number in range(n_vocabulary)])


def _write_index(
    folder: Path,
    rng: Generator,
    n_tokens: int,
    n_latents: int,
    n_firings: int,
    n_vocabulary: int,
) -> None:
    # A latent fires on a token once: drawn with some to spare, for those that fall together.
    places = np.unique(rng.integers(0, n_latents * n_tokens, n_firings + n_firings // 5))
    places = np.sort(rng.permutation(places)[:n_firings])
    latents, tokens = places // n_tokens, (places % n_tokens).astype(np.uint32)
    by_token = np.argsort(tokens, kind="stable")
    activations = rng.uniform(1, 9, n_firings).astype(np.float16)
    indptr = offsets(latents, n_latents)
    statistics = np.zeros(n_latents, dtype=STATISTICS_DTYPE)
    statistics["count"] = np.diff(indptr)
    statistics["max"] = 9
    statistics["label_token_id"] = rng.integers(0, n_vocabulary, n_latents)
    save_npy(folder / names.INDPTR, indptr)
    save_npy(folder / names.TOKENS, tokens)
    save_npy(folder / names.ACTIVATIONS, activations)
    save_npy(folder / names.TOKEN_INDPTR, offsets(tokens, n_tokens))
    save_npy(folder / names.TOKEN_LATENTS, latents[by_token].astype(np.uint32))
    save_npy(folder / names.TOKEN_ACTIVATIONS, activations[by_token])
    save_npy(folder / names.STATISTICS, statistics)


def _write_graph(folder: Path, rng: Generator, n_latents: int, edges_per_latent: int) -> None:
    for name in POSITIONS.values():
        save_npy(folder / name, rng.random((n_latents, 2), dtype=np.float32))
    pairs = rng.integers(0, n_latents, (2, n_latents * edges_per_latent // 2))
    weights = rng.random(pairs.shape[1], dtype=np.float32)
    half = sp.csr_matrix((weights, tuple(pairs)), (n_latents, n_latents))
    save_edges(folder / EDGES["cosine"], sp.csr_matrix(half + half.T))


def _write_examples(
    folder: Path, rng: Generator, firings: names.FiringsByLatent, n_vocabulary: int
) -> None:
    """Show a random firing of the latent, which must have one, in the middle of each example."""
    n_latents = firings.n_latents
    n_examples = n_latents * EXAMPLES_PER_LATENT
    counts = np.repeat(np.diff(firings.indptr), EXAMPLES_PER_LATENT)
    shown = np.repeat(firings.indptr[:-1], EXAMPLES_PER_LATENT) + rng.integers(0, counts)
    middle = firings.tokens[shown].astype(np.int64)
    start = np.clip(middle - CONTEXT // 2, 0, firings.n_tokens - CONTEXT)
    examples = ExampleSet(
        indptr=np.arange(0, n_examples + 1, EXAMPLES_PER_LATENT),
        start=start,
        stop=start + CONTEXT,
        group=np.tile(np.arange(EXAMPLES_PER_LATENT) * 4 // EXAMPLES_PER_LATENT, n_latents),
        histogram_bins=np.tile(np.linspace(1, 9, N_BINS + 1), (n_latents, 1)),
        histogram_counts=np.ones((n_latents, N_BINS)),
        token_indptr=np.arange(0, n_latents * TOKENS_PER_LATENT + 1, TOKENS_PER_LATENT),
        token_ids=rng.integers(0, n_vocabulary, n_latents * TOKENS_PER_LATENT),
        token_counts=np.ones(n_latents * TOKENS_PER_LATENT),
    )
    save_examples(folder, examples)
