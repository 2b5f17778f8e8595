"""Find the token rows where token ids, or sequences of them, stand."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from feature_manifold.core.arrays import Array, Int64Array
from feature_manifold.core.errors import InputError
from feature_manifold.store.token_table import TokenTable
from feature_manifold.store.type_rows import TypeRows

MAX_TOKEN_IDS = 10_000
"""Token ids that may be asked for at a time."""

MAX_CANDIDATES = 1_000_000
"""Rows of the rarest token that are compared with a sequence."""


@dataclass(frozen=True, eq=False)
class Occurrences:
    """Rows where something stands, all or a sample.

    Attributes
    ----------
    rows
        int64 (n_used,), rising.
    n_occurrences
        How many there are in all; an estimate where a sequence was looked for in a sample.
    is_exact
        Whether the rows are all there are.
    """

    rows: Int64Array
    n_occurrences: int
    is_exact: bool

    @property
    def n_used(self) -> int:
        """Number of rows."""
        return len(self.rows)


def evenly_spaced(n: int, most: int) -> Int64Array:
    """Return at most ``most`` of the numbers 0 to n - 1, spaced evenly, rising."""
    if n <= most:
        return np.arange(n, dtype=np.int64)
    return np.arange(most, dtype=np.int64) * n // most


def sampled(found: Occurrences, most: int) -> Occurrences:
    """Return at most ``most`` of the rows, spaced evenly."""
    rows = found.rows[evenly_spaced(found.n_used, most)]
    return Occurrences(rows, found.n_occurrences, found.is_exact and len(rows) == found.n_used)


def rows_of_token_ids(type_rows: TypeRows, token_ids: Sequence[int], *, most: int) -> Occurrences:
    """Return the rows of some token ids.

    Parameters
    ----------
    type_rows
        Rows by token id; may be memory-mapped: only the rows returned are read.
    token_ids
        They count once. One that occurs nowhere has no rows.
    most
        Rows returned at most: beyond that a sample spaced evenly over the rows of each.

    Raises
    ------
    InputError
        If there are none, too many, or negative ones.
    """
    rows, _, total = _rows_and_groups(type_rows, [token_ids], most)
    return Occurrences(np.sort(rows), total, len(rows) == total)


def rows_of_groups(
    type_rows: TypeRows, groups: Sequence[Sequence[int]], *, most: int
) -> tuple[Occurrences, Int64Array]:
    """Return the rows of groups of token ids, and the group of each row, int64 (n_used,).

    Parameters and errors as for ``rows_of_token_ids``; a token id belongs to one group. The sample
    is spaced evenly over all of them, so that a group keeps its share of the rows.
    """
    rows, group, total = _rows_and_groups(type_rows, groups, most)
    order = np.argsort(rows)
    return Occurrences(rows[order], total, len(rows) == total), group[order]


def _rows_and_groups(
    type_rows: TypeRows, groups: Sequence[Sequence[int]], most: int
) -> tuple[Int64Array, Int64Array, int]:
    sizes = [len(group) for group in groups]
    if not 1 <= sum(sizes) <= MAX_TOKEN_IDS:
        raise InputError(f"{sum(sizes):,} token ids were asked for: 1 to {MAX_TOKEN_IDS:,} can be.")
    wanted = np.concatenate([_whole_numbers(group) for group in groups])
    if wanted.min() < 0:
        raise InputError(f"Token id {wanted.min()} is negative.")
    wanted, place = np.unique(wanted, return_index=True)
    group_of = np.repeat(np.arange(len(groups)), sizes)[place]
    there = wanted < type_rows.n_types
    wanted, group_of = wanted[there], group_of[there]
    starts = np.asarray(type_rows.indptr)[wanted]
    counts = np.asarray(type_rows.indptr)[wanted + 1] - starts
    ends = np.cumsum(counts)
    total = int(counts.sum())
    picked = evenly_spaced(total, most)
    at = np.searchsorted(ends, picked, side="right")
    entries = starts[at] + picked - (ends - counts)[at]
    rows = np.asarray(type_rows.tokens)[entries].astype(np.int64)
    return rows, group_of[at], total


def rows_of_sequence(
    type_rows: TypeRows, table: TokenTable, token_ids: Sequence[int]
) -> Occurrences:
    """Return the last row of each place where token ids follow one another in one window.

    They are looked for round the rarest of them. If even that one occurs more than MAX_CANDIDATES
    times, a sample of its rows is looked at and the number of occurrences is an estimate.

    Parameters
    ----------
    type_rows
        Rows by token id.
    table
        The token table; may be memory-mapped: only the rows compared are read.
    token_ids
        At least one.
    """
    counts = [type_rows.count(token_id) for token_id in token_ids]
    rarest = int(np.argmin(counts))
    candidates = type_rows.rows(token_ids[rarest])
    looked_at = evenly_spaced(len(candidates), MAX_CANDIDATES)
    first = np.asarray(candidates)[looked_at].astype(np.int64) - rarest
    last = first + len(token_ids) - 1
    inside = (first >= 0) & (last < table.n_tokens)
    first, last = first[inside], last[inside]
    for place, token_id in enumerate(token_ids):
        if place != rarest:
            equal = np.asarray(table.token_id)[first + place] == token_id
            first, last = first[equal], last[equal]
    same = window_of(table, first) == window_of(table, last)
    rows = last[same]
    estimate = len(rows) * len(candidates) // max(1, len(looked_at))
    return Occurrences(rows, estimate, len(looked_at) == len(candidates))


def window_of(table: TokenTable, rows: Int64Array) -> Int64Array:
    """Return the window of each row, int64 (n,)."""
    found: Int64Array = np.searchsorted(np.asarray(table.windows), rows, side="right") - 1
    return found


def checked_rows(rows: Sequence[int] | Array, *, n_tokens: int, most: int) -> Int64Array:
    """Return given token rows as they are, int64 (n,).

    Raises
    ------
    InputError
        If there are none, more than ``most``, or one beyond the token table.
    """
    if not 1 <= len(rows) <= most:
        raise InputError(f"{len(rows):,} token rows were given: 1 to {most:,} can be.")
    found = _whole_numbers(rows)
    for row in (int(found.min()), int(found.max())):
        if not 0 <= row < n_tokens:
            raise InputError(f"No token row {row}: there are 0 to {n_tokens - 1:,}.")
    return found


def distinct_rows(rows: Int64Array) -> Int64Array:
    """Return the rows, none negative, rising and each once; numpy.unique takes 40 times as long."""
    rising = np.sort(rows)
    return rising[np.diff(rising, prepend=-1) > 0]


def _whole_numbers(given: Sequence[int] | Array) -> Int64Array:
    try:
        return np.asarray(given, dtype=np.int64)
    except OverflowError:
        raise InputError("A number is too large to be that of a token.") from None
