"""Pick the examples of every latent and count what it fires on."""

from dataclasses import dataclass

import numpy as np

from feature_manifold.core.arrays import Array, Int64Array
from feature_manifold.core.progress import Progress
from feature_manifold.core.rng import generator
from feature_manifold.examples.contexts import (
    WindowBounds,
    contexts_of,
    merge_contexts,
    strongest_within,
    window_bounds,
)
from feature_manifold.examples.histogram import activation_histogram
from feature_manifold.examples.picks import (
    GROUP_PERCENTS,
    group_ranks,
    sample_ranks,
    strongest_first,
)
from feature_manifold.store.examples import GROUPS, N_BINS, ExampleSet
from feature_manifold.store.firings import FiringsByLatent
from feature_manifold.store.token_table import TokenTable

SEARCH_TOKENS = 20
"""Token ids kept per latent to find it by."""


@dataclass(frozen=True)
class _Choice:
    bounds: WindowBounds
    top_k: int
    context_size: int
    percentile_examples: int
    seed: int


def extract_examples(
    by_latent: FiringsByLatent,
    table: TokenTable,
    *,
    top_k: int,
    context_size: int,
    sample_percentiles: bool,
    percentile_examples: int,
    seed: int,
    progress: Progress,
) -> ExampleSet:
    """Pick contexts of every latent; count its activations and the token ids it fires on.

    The top group are the strongest firings. A sampled group (``picks.GROUP_PERCENTS``) draws
    firings by rank of activation, outside the top group, with no firing in their context that is
    too strong for the group: what is shown as low is low, and where firings stand dense the group
    may be empty. Contexts of one group that share a row are one example. Groups come in the order
    of ``store.examples.GROUPS``, their examples by falling greatest activation, then by row.

    Parameters
    ----------
    by_latent
        Firings by latent. May be memory-mapped.
    table
        The token table that the firings point into.
    top_k
        Firings in the top group, at least 1.
    context_size
        Rows on either side of a firing.
    sample_percentiles
        Whether to sample the high, medium and low groups.
    percentile_examples
        Firings drawn per sampled group.
    seed
        The config's seed; each latent and group has its own stream.
    progress
        Told of latents.

    Returns
    -------
    ExampleSet
        A latent that never fires has no examples and a histogram of zeros.
    """
    n_latents = by_latent.n_latents
    draws = percentile_examples if sample_percentiles else 0
    choice = _Choice(window_bounds(table), top_k, context_size, draws, seed)
    bins = np.zeros((n_latents, N_BINS + 1), dtype=np.float32)
    counts = np.zeros((n_latents, N_BINS), dtype=np.int64)
    examples: list[Array] = []
    search: list[Array] = []
    with progress.task("examples", total=n_latents, unit="latents") as task:
        for latent in range(n_latents):
            tokens, activations = (np.array(part) for part in by_latent.latent(latent))
            order = strongest_first(activations)
            if len(order):
                bins[latent], counts[latent] = activation_histogram(activations[order[::-1]])
            examples.append(_examples_of(latent, tokens, activations, order, choice))
            search.append(_frequent_ids(table.token_id[tokens]))
            task.advance()
    return _joined(examples, search, bins, counts)


def _joined(
    examples: list[Array], search: list[Array], bins: Array, counts: Int64Array
) -> ExampleSet:
    """Join what was found of each latent."""
    shown, found = np.concatenate(examples), np.concatenate(search)
    return ExampleSet(
        indptr=_offsets(examples),
        start=shown[:, 0].astype(np.uint32),
        stop=shown[:, 1].astype(np.uint32),
        group=shown[:, 2].astype(np.uint8),
        histogram_bins=bins,
        histogram_counts=counts,
        token_indptr=_offsets(search),
        token_ids=found[:, 0].astype(np.int32),
        token_counts=found[:, 1],
    )


def _offsets(parts: list[Array]) -> Int64Array:
    return np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)


def _examples_of(
    latent: int, tokens: Array, activations: Array, order: Int64Array, choice: _Choice
) -> Array:
    """Return int64 (n, 3): start, stop, group of one latent's examples in order of display."""
    groups = []
    for number, group in enumerate(GROUPS):
        if group in GROUP_PERCENTS:
            picked = _sampled(latent, tokens, activations, order, group, choice)
        else:
            picked = order[: choice.top_k]
        rows = tokens[np.sort(picked)]
        start, stop = contexts_of(rows, choice.bounds, context_size=choice.context_size)
        start, stop = merge_contexts(start, stop)
        strongest = strongest_within(tokens, activations, start, stop)
        shown = np.argsort(-strongest, kind="stable")
        groups.append(np.stack([start, stop, np.full(len(start), number)], axis=1)[shown])
    return np.concatenate(groups)


def _sampled(
    latent: int,
    tokens: Array,
    activations: Array,
    order: Int64Array,
    group: str,
    choice: _Choice,
) -> Int64Array:
    """Draw firings of one group, leaving out those beside a firing too strong for it."""
    ranks = group_ranks(len(order), group, top_k=choice.top_k)
    if choice.percentile_examples == 0 or ranks[0] == ranks[1]:
        return order[:0]
    random = generator(choice.seed, "examples", group, str(latent))
    drawn = order[sample_ranks(ranks, n_picks=choice.percentile_examples, random=random)]
    start, stop = contexts_of(tokens[drawn], choice.bounds, context_size=choice.context_size)
    limit = activations[order[ranks[0]]]
    calm = strongest_within(tokens, activations, start, stop) <= limit
    return np.asarray(drawn[calm][: choice.percentile_examples])


def _frequent_ids(ids: Array) -> Int64Array:
    """Return int64 (n, 2): the most frequent token ids and their counts, then the smaller id."""
    found, counts = np.unique(ids[ids >= 0], return_counts=True)
    most = np.argsort(-counts, kind="stable")[:SEARCH_TOKENS]
    return np.stack([found[most], counts[most]], axis=1).astype(np.int64)
