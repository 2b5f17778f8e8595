"""Slow and obvious versions of every kernel: what the fast ones must equal."""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from feature_manifold.core.arrays import Array
from feature_manifold.store.firings import FiringsByLatent, FiringsByToken
from feature_manifold.store.shards import Shard
from feature_manifold.store.statistics import STATISTICS_DTYPE
from feature_manifold.store.token_table import TokenTable


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
    for number, (start, stop) in enumerate(itertools.pairwise(edges)):
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
        mean = math.fsum(values) / len(values)
        least, greatest = min(values), max(values)
        out[latent] = (len(tokens), least, greatest, mean, *percentiles, label, label_count)
    return out


def cosines_of(decoder: Array) -> Array:
    """Return all cosines, float64 (n_latents, n_latents), NaN for rows of zeros."""
    rows = decoder.astype(np.float64)
    n = len(rows)
    out = np.full((n, n), np.nan)
    for one in range(n):
        for other in range(n):
            size = np.sqrt(rows[one] @ rows[one]) * np.sqrt(rows[other] @ rows[other])
            if size > 0:
                out[one, other] = (rows[one] @ rows[other]) / size
    return out


def cofirings_of(dense: Array) -> Array:
    """Return on how many tokens each pair fires together, float64 (n_latents, n_latents)."""
    fires = (dense > 0).astype(np.float64)
    return fires.T @ fires


def jaccard_of(dense: Array) -> Array:
    """Return |A and B| / |A or B| of each pair, NaN where it is 0."""
    shared = cofirings_of(dense)
    sizes = np.diag(shared)
    out = np.full(shared.shape, np.nan)
    for one, other in np.argwhere(shared > 0):
        union = sizes[one] + sizes[other] - shared[one, other]
        out[one, other] = shared[one, other] / union
    return out


def coefficient_of(dense: Array) -> Array:
    """Return |A and B| / min(|A|, |B|) of each pair, 0 where the lift is below 3."""
    shared = cofirings_of(dense)
    sizes = np.diag(shared)
    out = np.zeros(shared.shape)
    for one, other in np.argwhere(shared > 0):
        if shared[one, other] * len(dense) >= 3 * sizes[one] * sizes[other]:
            out[one, other] = shared[one, other] / min(sizes[one], sizes[other])
    return out


def best_of(values: Array, k: int) -> list[list[tuple[int, float]]]:
    """Return (id, value) of the k best others of each row, then by id; NaN is no neighbour."""
    out = []
    for one, row in enumerate(values):
        others = [j for j in range(len(row)) if j != one and not np.isnan(row[j])]
        others.sort(key=lambda j: (-row[j], j))
        out.append([(j, float(row[j])) for j in others[:k]])
    return out


def edges_of(values: Array, k: int) -> Array:
    """Return symmetric weights, 0 where there is no edge, of the positive ones of the k best."""
    out = np.zeros(values.shape)
    for one, best in enumerate(best_of(values, k)):
        for other, value in best:
            if value > 0:
                out[one, other] = out[other, one] = max(value, out[one, other])
    return out


def histogram_of(activations: Array) -> tuple[Array, Array]:
    """Return 31 edges, float32, and the counts between them."""
    least, greatest = float(activations.min()), float(activations.max())
    if least == greatest:
        least, greatest = 0.5 * least, min(1.5 * greatest, float(np.finfo(np.float32).max))
    bins = np.linspace(least, greatest, 31).astype(np.float32)
    counts = np.zeros(30, dtype=np.int64)
    for value in activations:
        counts[max(place for place in range(30) if place == 0 or bins[place] <= value)] += 1
    return bins, counts


def context_of(token: int, table: TokenTable, context_size: int) -> tuple[int, int]:
    """Return the rows [start, stop) round a token, in its window, without a put-in BOS."""
    window = next(
        w for w in range(table.n_windows) if table.windows[w] <= token < table.windows[w + 1]
    )
    shown = [
        row
        for row in range(table.windows[window], table.windows[window + 1])
        if abs(row - token) <= context_size
        and not (row == table.windows[window] and table.position[row] == -1)
    ]
    return shown[0], shown[-1] + 1


def examples_of(
    firings: FiringsByLatent,
    latent: int,
    table: TokenTable,
    *,
    top_k: int,
    context_size: int,
    percents: dict[str, tuple[int, int]],
    draw: Callable[[str, tuple[int, int]], Sequence[int]] = lambda _, ranks: range(*ranks),
    n_picks: int | None = None,
) -> list[tuple[str, int, int]]:
    """Return (group, start, stop) in order of display.

    Of a sampled group, ``draw`` says which ranks are tried, all by default, and ``n_picks`` how
    many firings are shown.
    """
    tokens, activations = firings.latent(latent)
    value = {int(t): float(a) for t, a in zip(tokens, activations, strict=True)}
    ranked = sorted(value, key=lambda token: (-value[token], token))
    out = []
    for group in ("top", *percents):
        picks = ranked[:top_k]
        if group != "top":
            low, high = percents[group]
            first, last = len(ranked) * low // 100, len(ranked) * high // 100
            first = max(first, min(top_k, len(ranked)))
            picks = [ranked[rank] for rank in draw(group, (first, last)) if first < last]
            limit = value[ranked[first]] if first < last else 0
            picks = [
                token
                for token in picks
                if max(value.get(row, 0) for row in range(*context_of(token, table, context_size)))
                <= limit
            ][:n_picks]
        merged: list[list[int]] = []
        for token in sorted(picks):
            start, stop = context_of(token, table, context_size)
            if merged and start < merged[-1][1]:
                merged[-1][1] = max(stop, merged[-1][1])
            else:
                merged.append([start, stop])
        strongest = [max(value.get(row, 0) for row in range(*span)) for span in merged]
        order = sorted(range(len(merged)), key=lambda i: (-strongest[i], merged[i][0]))
        out += [(group, merged[i][0], merged[i][1]) for i in order]
    return out
