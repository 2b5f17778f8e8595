"""Compiled: activations counted by their value, token ids by how often they occur.

A float16 activation has one of 31,743 values, so counting them says all there is to know of a
latent's activations, in one pass and without a sort. Its *code* is its bits read as an unsigned
number, which rises with the value. A float32 activation has too many values for that: its code is
its place among the distinct values of the latent.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from feature_manifold.core.arrays import Array
from feature_manifold.core.kernels import kernel

HALF_CODES = 0x7C00
"""Codes of float16 lie below that of infinity."""

Coder = Callable[[Array, Array], tuple[Array, Array]]


def coder_of(dtype: npt.DTypeLike) -> tuple[Coder, Array]:
    """Return the kernel that codes activations of a type, and the table it takes.

    The kernel maps (bits, table) to the codes, unsigned (n,), and the value of each code,
    float64, rising.
    """
    if np.dtype(dtype) == np.float16:
        halves = np.arange(HALF_CODES, dtype=np.uint16).view(np.float16)
        return _half_codes, halves.astype(np.float64)
    return _ranked_codes, np.zeros(0, dtype=np.float64)


@kernel()
def _half_codes(bits: Array, table: Array) -> tuple[Array, Array]:
    return bits, table


@kernel()
def _ranked_codes(bits: Array, table: Array) -> tuple[Array, Array]:
    distinct = np.sort(bits)
    n_distinct = 0
    for found in distinct:
        if n_distinct == 0 or found != distinct[n_distinct - 1]:
            distinct[n_distinct] = found
            n_distinct += 1
    distinct = distinct[:n_distinct].copy()
    codes = np.searchsorted(distinct, bits).astype(np.uint32)
    return codes, distinct.view(np.float32).astype(np.float64)


@kernel()
def code_counter(offsets: Array) -> Array:
    """Return zeros, int64, as many as a run of activations may have codes."""
    longest = 0
    for row in range(len(offsets) - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    return np.zeros(max(longest, HALF_CODES), dtype=np.int64)


@kernel()
def count_codes(codes: Array, counts: Array) -> tuple[int, int]:
    """Add the codes of one run, not empty, to ``counts``; return the least and greatest."""
    low, high = np.int64(codes[0]), np.int64(codes[0])
    for entry in range(len(codes)):
        code = np.int64(codes[entry])
        counts[code] += 1
        low = min(low, code)
        high = max(high, code)
    return int(low), int(high)


@kernel()
def most_frequent(
    tokens: Array, token_id: Array, counter: Array, seen: Array, ids: Array, counts: Array
) -> int:
    """Find the token ids that occur most, falling by count, then rising.

    Parameters
    ----------
    tokens
        Rows of the token table.
    token_id
        int32 (n_tokens,); negative ids are unknown and do not count.
    counter
        Integers (n_ids,), all zero, and all zero again afterwards.
    seen
        int32, room for the distinct ids.
    ids, counts
        Written: as many as there is room for.

    Returns
    -------
    int
        How many were written.
    """
    n_seen = 0
    for entry in range(len(tokens)):
        found = token_id[tokens[entry]]
        if found >= 0:
            if counter[found] == 0:
                seen[n_seen] = found
                n_seen += 1
            counter[found] += 1
    size = 0
    for at in range(n_seen):
        found, count = seen[at], np.int64(counter[seen[at]])
        counter[found] = 0
        place = size
        while place > 0 and (
            counts[place - 1] < count or (counts[place - 1] == count and ids[place - 1] > found)
        ):
            if place < len(ids):
                ids[place] = ids[place - 1]
                counts[place] = counts[place - 1]
            place -= 1
        if place < len(ids):
            ids[place] = found
            counts[place] = count
            size = min(size + 1, len(ids))
    return size


def n_token_ids(token_id: Array) -> int:
    """Return how long a counter of token ids must be: one more than the greatest."""
    return max(int(token_id.max()) + 1, 0) if len(token_id) else 0
