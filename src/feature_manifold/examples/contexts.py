"""Where the text of each model input lies, and which firings are before a token."""

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


def firings_before(tokens: Array, rows: Array) -> Int64Array:
    """Return how many of the rising ``tokens`` lie before each row, int64 (n_rows,)."""
    # Asked in their own type: searchsorted would otherwise convert all the tokens, every time.
    return np.searchsorted(tokens, rows.astype(tokens.dtype)).astype(np.int64)
