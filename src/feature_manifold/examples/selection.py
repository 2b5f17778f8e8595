"""Compiled: the examples, histogram and most frequent token ids of each latent of a block."""

from typing import NamedTuple

import numpy as np

from feature_manifold.core.arrays import Array
from feature_manifold.core.counting import Coder, code_counter, count_codes, most_frequent
from feature_manifold.core.kernels import kernel
from feature_manifold.examples.histogram import fill_histogram
from feature_manifold.examples.picks import Draws


class Text(NamedTuple):
    """What contexts are cut from.

    Attributes
    ----------
    token_id
        int32 (n_tokens,); negative where unknown.
    n_ids
        One more than the greatest token id.
    rows, first
        As in ``contexts.WindowBounds``.
    context_size
        Rows on either side of a firing.
    """

    token_id: Array
    n_ids: int
    rows: Array
    first: Array
    context_size: int


class Selection(NamedTuple):
    """What is found of a block of latents; as in ``store.examples.ExampleSet`` but for:

    Attributes
    ----------
    ends
        int64 (n_latents,), examples up to and with each latent.
    ids, id_counts, n_ids
        int32 and int64 (n_latents, n_kept), and how many of them each latent has.
    """

    start: Array
    stop: Array
    group: Array
    ends: Array
    bins: Array
    histogram: Array
    ids: Array
    id_counts: Array
    n_ids: Array


@kernel()
def select(
    offsets: Array,
    tokens: Array,
    bits: Array,
    coder: Coder,
    table: Array,
    text: Text,
    draws: Draws,
    top_k: int,
    n_picks: int,
    found: Selection,
) -> None:
    """Fill ``found`` from the firings of a ``FiringBlock``; the top group is group 0."""
    counts = code_counter(offsets)
    counter = np.zeros(text.n_ids, dtype=np.uint32)
    seen = np.empty(text.n_ids, dtype=np.int32)
    order = np.empty(len(counts), dtype=np.uint32)
    picked = np.empty(max(top_k, n_picks), dtype=np.int64)
    n_sampled = draws.strongest.shape[1]
    end = 0
    for row in range(len(offsets) - 1):
        own = tokens[offsets[row] : offsets[row + 1]]
        if len(own) > 0:
            codes, values = coder(bits[offsets[row] : offsets[row + 1]], table)
            low, high = count_codes(codes, counts)
            fill_histogram(values, counts, low, high, found.bins[row], found.histogram[row])
            ranked = order[: len(own)]
            strongest_first(codes, counts, low, high, ranked)
            found.n_ids[row] = most_frequent(
                own, text.token_id, counter, seen, found.ids[row], found.id_counts[row]
            )
            for group in range(1 + n_sampled):
                if group == 0:
                    n = min(top_k, len(own))
                    # Assigning the slice compiles its error message, for two seconds.
                    for place in range(n):
                        picked[place] = ranked[place]
                else:
                    drawn = row * n_sampled + group - 1
                    ranks = draws.ranks[draws.offsets[drawn] : draws.offsets[drawn + 1]]
                    limit = codes[ranked[draws.strongest[row, group - 1]]]
                    n = _pick_calm(own, codes, ranked, ranks, limit, text, picked[:n_picks])
                end = _add(own, codes, picked[:n], text, group, found, end)
        found.ends[row] = end


@kernel()
def strongest_first(codes: Array, counts: Array, low: int, high: int, order: Array) -> None:
    """Order firings by falling activation, of equals the earlier first: a counting sort.

    ``counts`` are those of the codes; all are zero afterwards.
    """
    stronger = 0
    for code in range(high, low - 1, -1):
        count = counts[code]
        counts[code] = stronger
        stronger += count
    for entry in range(len(codes)):
        order[counts[codes[entry]]] = entry
        counts[codes[entry]] += 1
    counts[low : high + 1] = 0


@kernel()
def _context_of(token: int, text: Text) -> tuple[int, int]:
    """Return the rows shown round a token: those beside it in its window, without a put-in BOS."""
    window = np.searchsorted(text.rows, token, side="right") - 1
    start = min(max(token - text.context_size, text.first[window]), token)
    return start, min(token + text.context_size + 1, text.rows[window + 1])


@kernel()
def _strongest_near(tokens: Array, codes: Array, entry: int, start: int, stop: int) -> int:
    """Return the greatest code of the firings in a context, of which one is at ``entry``."""
    greatest = np.int64(codes[entry])
    before = entry - 1
    while before >= 0 and tokens[before] >= start:
        greatest = max(greatest, np.int64(codes[before]))
        before -= 1
    after = entry + 1
    while after < len(tokens) and tokens[after] < stop:
        greatest = max(greatest, np.int64(codes[after]))
        after += 1
    return int(greatest)


@kernel()
def _pick_calm(
    tokens: Array,
    codes: Array,
    order: Array,
    ranks: Array,
    limit: int,
    text: Text,
    picked: Array,
) -> int:
    """Pick the first firings drawn that have none above the limit beside them; return how many."""
    n_picked = 0
    for rank in ranks:
        if n_picked == len(picked):
            break
        entry = int(np.int64(order[rank]))
        start, stop = _context_of(int(np.int64(tokens[entry])), text)
        if _strongest_near(tokens, codes, entry, start, stop) <= limit:
            picked[n_picked] = entry
            n_picked += 1
    return n_picked


@kernel()
def _add(
    tokens: Array,
    codes: Array,
    picked: Array,
    text: Text,
    group: int,
    found: Selection,
    end: int,
) -> int:
    """Add the contexts of some firings, joined where they share a row; return the new end.

    They are put in order of their greatest activation, falling, then of their rows.
    """
    start = np.empty(len(picked), dtype=np.int64)
    stop = np.empty(len(picked), dtype=np.int64)
    weakness = np.empty(len(picked), dtype=np.int64)
    n = 0
    for entry in np.sort(picked):
        first, last = _context_of(int(np.int64(tokens[entry])), text)
        weak = -_strongest_near(tokens, codes, entry, first, last)
        if n > 0 and first < stop[n - 1]:
            stop[n - 1] = last
            weakness[n - 1] = min(weak, weakness[n - 1])
        else:
            start[n], stop[n], weakness[n] = first, last, weak
            n += 1
    # One number to sort by: codes have 32 bits, contexts are fewer than 2**31.
    for key in np.sort((weakness[:n] << 31) + np.arange(n)):
        shown = key & 0x7FFFFFFF
        found.start[end], found.stop[end], found.group[end] = start[shown], stop[shown], group
        end += 1
    return end
