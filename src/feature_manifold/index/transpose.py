"""Turn shards, sorted by latent, into firings sorted by token: a counting sort of each shard.

A shard covers a range of tokens, so the firings of these tokens are all in it: the result is
written in order, and nothing but the shard is read.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from feature_manifold.core.arrays import BITS, Array, Int64Array, infinity_bits
from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.core.jobs import in_order
from feature_manifold.core.kernels import kernel
from feature_manifold.core.progress import Progress
from feature_manifold.index.blocks import MAX_WORKERS, WriteFirings, block_size, row_blocks
from feature_manifold.index.merge import (
    activation_dtype,
    check_tokens,
    refusal,
    shard_firings,
)
from feature_manifold.store.npy import release
from feature_manifold.store.shards import Shard


@dataclass(frozen=True)
class TokenRange:
    """The tokens ``[first, last)`` of a shard, and how many firings they have."""

    shard: Shard
    first: int
    last: int
    n_firings: int


def sort_by_token(
    shards: Sequence[Shard],
    *,
    n_tokens: int,
    write: WriteFirings,
    progress: Progress,
    n_workers: int = 1,
    block_firings: int | None = None,
) -> Int64Array:
    """Sort the firings of shards by token, then latent.

    Parameters
    ----------
    shards
        Sorted by latent, then token; of ranges of tokens that follow each other. May be
        memory-mapped: what was read is given back.
    n_tokens
        Rows of the token table.
    write
        Takes the firings sorted by token, then latent: latents, and activations of type
        ``activation_dtype(shards)``.
    progress
        Told of firings.
    n_workers
        Threads.
    block_firings
        Firings that a thread holds in memory; ``blocks.block_size`` if not given. A larger shard
        is sorted in ranges of its tokens. What is written depends on neither.

    Returns
    -------
    numpy.ndarray
        indptr, int64 (n_tokens + 1,).

    Raises
    ------
    CorruptArtifactError
        As ``merge.merge_shards``.
    """
    check_tokens(shards, n_tokens)
    dtype = activation_dtype(shards)
    n_workers = min(n_workers, MAX_WORKERS)
    size = block_firings or block_size(n_workers)
    indptr = np.zeros(n_tokens + 1, dtype=np.int64)

    def sort(job: tuple[int, TokenRange]) -> int:
        row, tokens = job
        counts, latents, activations = sort_range(tokens, dtype=dtype, block_firings=size)
        indptr[tokens.first + 1 : tokens.last + 1] = counts
        write(row, latents, activations)
        return len(latents)

    def ranges() -> Iterator[tuple[int, TokenRange]]:
        row = 0
        for cut in in_order(lambda shard: token_ranges(shard, size), shards, n_workers=n_workers):
            for tokens in cut:
                yield row, tokens
                row += tokens.n_firings

    total = sum(shard.n_firings for shard in shards)
    with (
        progress.task("sort firings by token", total=total, unit="firings") as task,
        closing(in_order(sort, ranges(), n_workers=n_workers)) as sorted_ranges,
    ):
        for n_firings in sorted_ranges:
            task.advance(n_firings)
    return np.cumsum(indptr, out=indptr)


def token_ranges(shard: Shard, max_firings: int) -> list[TokenRange]:
    """Cut a shard into ranges of tokens that have at most ``max_firings``, or are one token.

    Raises
    ------
    CorruptArtifactError
        As ``merge.merge_shards``, if it has to be cut.
    """
    if shard.n_firings <= max_firings:
        return [TokenRange(shard, shard.start, shard.stop, shard.n_firings)]
    counts = _count(TokenRange(shard, shard.start, shard.stop, shard.n_firings), max_firings)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return [
        TokenRange(
            shard,
            shard.start + first,
            shard.start + last,
            int(offsets[last] - offsets[first]),
        )
        for first, last in row_blocks(offsets, max_entries=max_firings)
    ]


def sort_range(
    tokens: TokenRange, *, dtype: np.dtype[Any], block_firings: int
) -> tuple[Int64Array, Array, Array]:
    """Sort the firings of some tokens of a shard by token, then latent.

    Parameters
    ----------
    tokens
        The range.
    dtype
        Type of the activations, at least as wide as the shard's.
    block_firings
        Firings of the shard to read before its pages are given back.

    Returns
    -------
    counts : numpy.ndarray
        int64 (n_tokens of the range,), firings of each token.
    latents : numpy.ndarray
        uint32 (n_firings,).
    activations : numpy.ndarray
        ``dtype`` (n_firings,).

    Raises
    ------
    CorruptArtifactError
        As ``merge.merge_shards``.
    """
    counts = _count(tokens, block_firings)
    latents = np.empty(tokens.n_firings, dtype=np.uint32)
    bits = np.empty(tokens.n_firings, dtype=BITS[dtype])
    cursor = np.cumsum(counts) - counts

    def place(at: int, heads: Array, ends: Array, ids: Array, values: Array) -> int:
        return _place(at, heads, ends, ids, values, tokens.first, cursor, latents, bits)

    _for_each_block(tokens, dtype, block_firings, place)
    return counts, latents, bits.view(dtype)


def _count(tokens: TokenRange, block_firings: int) -> Int64Array:
    """Count the firings of each token of a range, checking all of them."""
    counts = np.zeros(tokens.last - tokens.first, dtype=np.int64)
    dtype = tokens.shard.activations.dtype

    def count(at: int, heads: Array, ends: Array, ids: Array, values: Array) -> int:
        return _count_tokens(heads, ends, ids, values, infinity_bits(dtype), tokens.first, counts)

    _for_each_block(tokens, dtype, block_firings, count)
    if int(counts.sum()) != tokens.n_firings:
        raise CorruptArtifactError(
            f"{tokens.shard.name} changed while it was read: tokens {tokens.first:,} to "
            f"{tokens.last:,} had {tokens.n_firings:,} firings and now have {counts.sum():,}. "
            "Let nothing else write to it, and run the same command again."
        )
    return counts


def _for_each_block(
    tokens: TokenRange,
    dtype: np.dtype[Any],
    block_firings: int,
    work: Callable[[int, Array, Array, Array, Array], int],
) -> None:
    """Hand ``work`` the firings of a range of tokens, some latents at a time.

    It takes the first of these latents, where in the block the range starts and ends in each of
    them, and the block's tokens and bits of activations; it returns the first bad entry, or -1.
    """
    shard = tokens.shard
    indptr = np.array(shard.indptr)
    release(shard.indptr)
    for first, last in row_blocks(indptr, max_entries=block_firings):
        low = int(indptr[first])
        ids, values = shard_firings(shard, slice(low, int(indptr[last])), dtype=dtype)
        heads, ends = indptr[first:last] - low, indptr[first + 1 : last + 1] - low
        if tokens.first > shard.start:
            heads = _seek(heads, ends, ids, tokens.first)
        if tokens.last < shard.stop:
            ends = _seek(heads, ends, ids, tokens.last)
        row = work(first, heads, ends, ids, values)
        if row >= 0:
            latent = first + int(np.searchsorted(indptr[first : last + 1], low + row, "right")) - 1
            raise refusal(shard, low + row, latent)
        release(shard.tokens, shard.activations)


@kernel()
def _seek(heads: Array, ends: Array, tokens: Array, token: int) -> Array:
    """Return where in each run of rising tokens the first lies that is not below ``token``."""
    found = np.empty(len(heads), dtype=np.int64)
    for latent in range(len(heads)):
        low, high = heads[latent], ends[latent]
        while low < high:
            middle = (low + high) // 2
            if np.int64(tokens[middle]) < token:
                low = middle + 1
            else:
                high = middle
        found[latent] = low
    return found


@kernel()
def _count_tokens(
    heads: Array, ends: Array, tokens: Array, bits: Array, infinity: int, first: int, counts: Array
) -> int:
    """Count the firings of each token from ``first`` on; return the first bad entry, or -1."""
    last = first + len(counts)
    for latent in range(len(heads)):
        newest = np.int64(first) - 1
        for entry in range(heads[latent], ends[latent]):
            token = np.int64(tokens[entry])
            if token <= newest or token >= last:
                return entry
            if bits[entry] == 0 or bits[entry] >= infinity:
                return entry
            counts[token - first] += 1
            newest = token
    return -1


@kernel()
def _place(
    first_latent: int,
    heads: Array,
    ends: Array,
    tokens: Array,
    bits: Array,
    first: int,
    cursor: Array,
    out_latents: Array,
    out_bits: Array,
) -> int:
    """Put each firing behind those that its token has; ``cursor`` (n_tokens,) says where.

    Latents are visited in order, so each token's firings come out sorted by latent. A file that
    changed since it was counted must not make this write outside its arrays.
    """
    for latent in range(len(heads)):
        for entry in range(heads[latent], ends[latent]):
            token = np.int64(tokens[entry]) - first
            if token < 0 or token >= len(cursor):
                return entry
            at = cursor[token]
            if at >= len(out_latents):
                return entry
            cursor[token] = at + 1
            out_latents[at] = first_latent + latent
            out_bits[at] = bits[entry]
    return -1
