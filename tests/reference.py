"""Slow and obvious versions of every kernel: what the fast ones must equal."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from feature_manifold.core.arrays import Array
from feature_manifold.store.firings import FiringsByLatent, FiringsByToken
from feature_manifold.store.shards import Shard
from feature_manifold.store.statistics import STATISTICS_DTYPE


def by_latent_of(dense: Array) -> FiringsByLatent:
    """Index a matrix of activations (n_tokens, n_latents), 0 where nothing fires."""
    indptr, tokens, activations = [0], [], []
    for latent in range(dense.shape[1]):
        for token in range(dense.shape[0]):
            if dense[token, latent] > 0:
                tokens.append(token)
                activations.append(dense[token, latent])
        indptr.append(len(tokens))
    return FiringsByLatent(
        np.array(indptr, dtype=np.int64),
        np.array(tokens, dtype=np.uint32),
        np.array(activations, dtype=dense.dtype),
        dense.shape[0],
    )


def by_token_of(dense: Array) -> FiringsByToken:
    """Index a matrix of activations by token."""
    turned = by_latent_of(dense.T)
    return FiringsByToken(turned.indptr, turned.tokens, turned.activations)


def shards_of(dense: Array, cuts: Sequence[int]) -> list[Shard]:
    """Cut a matrix of activations into shards at the given tokens."""
    edges = [0, *sorted(cuts), dense.shape[0]]
    shards = []
    for number, (start, stop) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        part = by_latent_of(dense[start:stop])
        tokens = part.tokens + np.uint32(start)
        name = f"shard {number}"
        shards.append(Shard(part.indptr, tokens, part.activations, start, stop, name))
    return shards


def token_counts(tokens: Array, token_id: Array) -> list[tuple[int, int]]:
    """Return (token id, count) of some firings, most frequent first, then smallest id."""
    counts = Counter(int(token_id[token]) for token in tokens)
    counts.pop(-1, None)
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def statistics_of(firings: FiringsByLatent, token_id: Array) -> Array:
    """Summarise every latent."""
    out = np.zeros(firings.n_latents, dtype=STATISTICS_DTYPE)
    for latent in range(firings.n_latents):
        tokens, activations = firings.latent(latent)
        counts = token_counts(tokens, token_id)
        label, label_count = counts[0] if counts else (-1, 0)
        if len(tokens) == 0:
            out[latent] = (0, 0, 0, 0, 0, 0, 0, -1, 0)
            continue
        values = activations.astype(np.float64)
        percentiles = [np.percentile(values, q, method="linear") for q in (10, 50, 90)]
        mean = sum(float(value) for value in values) / len(values)
        least, greatest = min(values), max(values)
        out[latent] = (len(tokens), least, greatest, mean, *percentiles, label, label_count)
    return out
