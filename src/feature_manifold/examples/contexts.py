"""Runs of tokens round a firing, within what the model saw as one input."""

from dataclasses import dataclass

import numpy as np

from feature_manifold.core.arrays import Array, Int64Array
from feature_manifold.store.token_table import INSERTED, TokenTable


@dataclass(frozen=True)
class WindowBounds:
    """Text of each model input: its rows without a BOS that the harvest put in.

    Attributes
    ----------
    rows
        int64 (n_windows + 1,), the windows themselves.
    first
        int64 (n_windows,), first row of text.
    """

    rows: Int64Array
    first: Int64Array


def window_bounds(table: TokenTable) -> WindowBounds:
    """Find where the text of each model input starts."""
    rows = np.array(table.windows)
    first = rows[:-1].copy()
    filled = first < rows[1:]
    first[filled] += table.position[first[filled]] == INSERTED
    return WindowBounds(rows, first)


def corpus_tokens(table: TokenTable, *, stop: int | None = None) -> int:
    """Count the tokens of the corpus: rows without a BOS that the harvest put in.

    Parameters
    ----------
    table
        The token table.
    stop
        Count the rows before this one, where a window starts; None counts all.
    """
    bounds = window_bounds(table)
    stop = table.n_tokens if stop is None else stop
    heads = bounds.rows[:-1]
    inserted = (bounds.first - heads)[heads < stop].sum()
    return stop - int(inserted)


def contexts_of(
    tokens: Array, bounds: WindowBounds, *, context_size: int
) -> tuple[Int64Array, Int64Array]:
    """Return the rows shown round each token: ``context_size`` on either side, in its window.

    Parameters
    ----------
    tokens
        Integers (n,), rows of the token table.
    bounds
        Of the token table.
    context_size
        At least 0.

    Returns
    -------
    start, stop : numpy.ndarray
        int64 (n,), rows ``[start, stop)``; the token itself is always among them.
    """
    rows = tokens.astype(np.int64)
    window = np.searchsorted(bounds.rows, rows, side="right") - 1
    start = np.minimum(np.maximum(rows - context_size, bounds.first[window]), rows)
    stop = np.minimum(rows + context_size + 1, bounds.rows[window + 1])
    return start, stop


def merge_contexts(start: Int64Array, stop: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Join contexts that share a row. Those of different windows never do.

    Parameters
    ----------
    start, stop
        int64 (n,), from ``contexts_of`` of rising tokens.

    Returns
    -------
    start, stop : numpy.ndarray
        int64 (m,), rising and disjoint.
    """
    heads = np.flatnonzero(np.concatenate([[True], start[1:] >= stop[:-1]])[: len(start)])
    tails = np.concatenate([heads[1:], [len(start)]])[: len(heads)] - 1
    return start[heads], stop[tails]


def strongest_within(
    tokens: Array, activations: Array, start: Int64Array, stop: Int64Array
) -> Array:
    """Return the greatest activation of one latent within each context.

    Parameters
    ----------
    tokens, activations
        All firings of the latent, in token order.
    start, stop
        int64 (n,); each context holds at least one firing.

    Returns
    -------
    numpy.ndarray
        (n,), of the type of ``activations``.
    """
    if len(start) == 0:
        return activations[:0]
    first = firings_before(tokens, start)
    lengths = firings_before(tokens, stop) - first
    offsets = np.cumsum(lengths) - lengths
    within = np.arange(lengths.sum()) + np.repeat(first - offsets, lengths)
    return np.maximum.reduceat(activations[within], offsets)


def firings_before(tokens: Array, rows: Array) -> Int64Array:
    """Return how many of the rising ``tokens`` lie before each row, int64 (n_rows,)."""
    # Asked in their own type: searchsorted would otherwise convert all the tokens, every time.
    return np.searchsorted(tokens, rows.astype(tokens.dtype)).astype(np.int64)
