"""The text round given token rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import InputError
from feature_manifold.examples.occurrences import checked_rows, window_of
from feature_manifold.examples.pages import token_text
from feature_manifold.store.token_table import INSERTED, TokenTable

MAX_PASSAGES = 500
MAX_CONTEXT = 200


@dataclass(frozen=True)
class Passage:
    """Tokens round one row. Their text is data, whatever it looks like.

    Attributes
    ----------
    row
        The row asked for.
    token_id
        Its vocabulary entry; -1 where unknown.
    document, position
        Document number and offset of the row in it; -1 where unknown.
    start
        Row of the first token.
    tokens
        Texts, in order, all of one window.
    marked
        Place of the row in ``tokens``.
    """

    row: int
    token_id: int
    document: int
    position: int
    start: int
    tokens: tuple[str, ...]
    marked: int


def passages_of(
    table: TokenTable, vocabulary: Sequence[str], rows: Sequence[int] | Array, *, context: int = 10
) -> tuple[Passage, ...]:
    """Cut out the text round some rows.

    Parameters
    ----------
    table
        The token table; may be memory-mapped: only the rows shown are read.
    vocabulary
        Text of every token id.
    rows
        At most MAX_PASSAGES, in any order; passages come in the same order.
    context
        Rows on either side, 0 to MAX_CONTEXT. A passage never leaves the window of its row, which
        is of one document, and leaves out a BOS that the harvest put in, unless it was asked for.

    Raises
    ------
    InputError
        If there are too many rows, one that is not there, or too wide a context.
    CorruptArtifactError
        If the vocabulary is too short.
    """
    if not 0 <= context <= MAX_CONTEXT:
        raise InputError(f"context is {context:,}: 0 to {MAX_CONTEXT} tokens can be shown.")
    wanted = checked_rows(rows, n_tokens=table.n_tokens, most=MAX_PASSAGES)
    window = window_of(table, wanted)
    windows = np.asarray(table.windows)
    first, last = windows[window], windows[window + 1]
    first = np.minimum(first + (np.asarray(table.position)[first] == INSERTED), wanted)
    start = np.maximum(wanted - context, first)
    stop = np.minimum(wanted + context + 1, last)
    return tuple(
        _passage(table, vocabulary, *span)
        for span in zip(wanted.tolist(), start.tolist(), stop.tolist(), strict=True)
    )


def _passage(
    table: TokenTable, vocabulary: Sequence[str], row: int, start: int, stop: int
) -> Passage:
    ids = table.token_id[start:stop].tolist()
    return Passage(
        row=row,
        token_id=ids[row - start],
        document=int(table.doc_id[row]),
        position=int(table.position[row]),
        start=start,
        tokens=tuple(token_text(vocabulary, token_id) for token_id in ids),
        marked=row - start,
    )
