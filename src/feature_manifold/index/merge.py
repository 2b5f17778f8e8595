"""Merge shards, each sorted by latent, into one index sorted by latent."""

from collections.abc import Sequence
from contextlib import closing
from typing import Any

import numpy as np

from feature_manifold.core.arrays import BITS, Array, Int64Array, infinity_bits
from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.core.jobs import in_order
from feature_manifold.core.kernels import kernel
from feature_manifold.core.progress import Progress
from feature_manifold.index.blocks import MAX_WORKERS, WriteFirings, block_size, row_blocks
from feature_manifold.store.npy import release
from feature_manifold.store.shards import Shard


def activation_dtype(shards: Sequence[Shard]) -> np.dtype[Any]:
    """Return float16, or float32 if any shard needs it."""
    wide = any(shard.activations.dtype != np.float16 for shard in shards)
    return np.dtype(np.float32 if wide else np.float16)


def merged_indptr(shards: Sequence[Shard], n_latents: int) -> Int64Array:
    """Return the first firing of each latent in the merged index, int64 (n_latents + 1,).

    Raises
    ------
    CorruptArtifactError
        If a shard is of another number of latents.
    """
    counts = np.zeros(n_latents, dtype=np.int64)
    for shard in shards:
        if shard.n_latents != n_latents:
            raise CorruptArtifactError(
                f"{shard.name} has {shard.n_latents:,} latents, expected {n_latents:,}. "
                "It comes from another SAE; harvest it again."
            )
        counts += np.diff(shard.indptr)
        release(shard.indptr)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def check_tokens(shards: Sequence[Shard], n_tokens: int) -> None:
    """Check that the shards' ranges of tokens follow each other and lie in the token table.

    Raises
    ------
    CorruptArtifactError
        Naming the first shard whose range does not.
    """
    newest = 0
    for shard in shards:
        if shard.start < 0 or shard.stop > n_tokens:
            raise CorruptArtifactError(
                f"{shard.name} covers tokens {shard.start:,} to {shard.stop:,}, but the token "
                f"table has {n_tokens:,} rows. One of them is stale; harvest again."
            )
        if shard.start < newest or shard.stop < shard.start:
            raise CorruptArtifactError(
                f"{shard.name} covers tokens {shard.start:,} to {shard.stop:,}, but an earlier "
                f"shard covers those below {newest:,}. One of them is stale; harvest again."
            )
        newest = shard.stop


def merge_shards(
    shards: Sequence[Shard],
    n_latents: int,
    *,
    n_tokens: int,
    write: WriteFirings,
    progress: Progress,
    n_workers: int = 1,
    block_firings: int | None = None,
) -> Int64Array:
    """Concatenate, latent by latent, shards that follow each other in the token table.

    Parameters
    ----------
    shards
        Sorted by latent, then token; in the order of their tokens. May be memory-mapped: what was
        read is given back.
    n_latents, n_tokens
        Sizes that every firing must respect.
    write
        Takes the firings sorted by latent, then token: tokens, and activations of type
        ``activation_dtype(shards)``.
    progress
        Told of firings.
    n_workers
        Threads.
    block_firings
        Firings that a thread holds in memory; ``blocks.block_size`` if not given. What is
        written depends on neither.

    Returns
    -------
    numpy.ndarray
        indptr, int64 (n_latents + 1,).

    Raises
    ------
    CorruptArtifactError
        Naming shard, row and latent of the first firing that is out of order, a duplicate,
        outside its shard's tokens, or whose activation is not finite and positive.
    """
    indptr = merged_indptr(shards, n_latents)
    check_tokens(shards, n_tokens)
    dtype = activation_dtype(shards)
    n_workers = min(n_workers, MAX_WORKERS)
    blocks = row_blocks(indptr, max_entries=block_firings or block_size(n_workers))

    def merge(block: tuple[int, int]) -> int:
        tokens, activations = merge_block(shards, indptr, *block, dtype=dtype)
        write(int(indptr[block[0]]), tokens, activations)
        return len(tokens)

    with (
        progress.task("merge shards", total=int(indptr[-1]), unit="firings") as task,
        closing(in_order(merge, blocks, n_workers=n_workers)) as merged,
    ):
        for n_firings in merged:
            task.advance(n_firings)
    return indptr


def merge_block(
    shards: Sequence[Shard], indptr: Int64Array, first: int, last: int, *, dtype: np.dtype[Any]
) -> tuple[Array, Array]:
    """Merge the latents ``[first, last)``.

    Parameters
    ----------
    indptr
        ``merged_indptr`` of the shards.
    dtype
        float16 or float32, at least as wide as every shard's.

    Returns
    -------
    tokens : numpy.ndarray
        uint32 (n,), by latent, then token.
    activations : numpy.ndarray
        ``dtype`` (n,).

    Raises
    ------
    CorruptArtifactError
        As ``merge_shards``.
    """
    offsets = indptr[first : last + 1] - indptr[first]
    tokens = np.empty(int(offsets[-1]), dtype=np.uint32)
    bits = np.empty(len(tokens), dtype=BITS[dtype])
    cursor = offsets[:-1].copy()
    newest = np.full(last - first, -1, dtype=np.int64)
    for shard in shards:
        runs = np.array(shard.indptr[first : last + 1])
        span = slice(int(runs[0]), int(runs[-1]))
        own_tokens, own_bits = shard_firings(shard, span, dtype=dtype)
        limits = (shard.start, shard.stop, infinity_bits(dtype))
        row = _append_runs(
            runs - runs[0], own_tokens, own_bits, *limits, cursor, newest, tokens, bits
        )
        release(shard.indptr, shard.tokens, shard.activations)
        if row >= 0:
            latent = first + int(np.searchsorted(runs - runs[0], row, side="right")) - 1
            raise refusal(shard, span.start + row, latent)
    return tokens, bits.view(dtype)


def shard_firings(shard: Shard, span: slice, *, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Return the tokens and the bits of the activations as ``dtype``, read-only, of some rows.

    Read-only, so that one compiled version of a kernel serves memory-mapped and ordinary arrays.
    """
    tokens = np.asarray(shard.tokens[span]).view()
    bits = np.asarray(shard.activations[span]).astype(dtype, casting="safe", copy=False)
    bits = bits.view(BITS[dtype])
    tokens.flags.writeable = bits.flags.writeable = False
    return tokens, bits


@kernel()
def _append_runs(
    indptr: Array,
    tokens: Array,
    bits: Array,
    start: int,
    stop: int,
    infinity: int,
    cursor: Array,
    newest: Array,
    out_tokens: Array,
    out_bits: Array,
) -> int:
    """Append each latent's run behind what it has; return the first bad entry, or -1.

    A float is finite and positive exactly when its bits, read as an unsigned number, lie above
    zero's and below infinity's.
    """
    for latent in range(len(indptr) - 1):
        at = cursor[latent]
        last = newest[latent]
        for entry in range(indptr[latent], indptr[latent + 1]):
            token = np.int64(tokens[entry])
            if token <= last or token < start or token >= stop:
                return entry
            if bits[entry] == 0 or bits[entry] >= infinity:
                return entry
            out_tokens[at] = tokens[entry]
            out_bits[at] = bits[entry]
            last = token
            at += 1
        cursor[latent] = at
        newest[latent] = last
    return -1


def refusal(shard: Shard, row: int, latent: int) -> CorruptArtifactError:
    """Say what is wrong with a row of a shard."""
    token, activation = int(shard.tokens[row]), float(shard.activations[row])
    where = f"{shard.name}, row {row:,} (latent {latent:,}, token {token:,})"
    if not np.isfinite(activation) or activation <= 0:
        problem = f"activation {activation} is not finite and positive"
    elif not shard.start <= token < shard.stop:
        problem = f"the shard covers tokens {shard.start:,} to {shard.stop:,}"
    elif row > shard.indptr[latent] and int(shard.tokens[row - 1]) >= token:
        same = int(shard.tokens[row - 1]) == token
        problem = "a duplicate firing" if same else "tokens fall within a latent"
    else:
        problem = "an earlier shard already has this firing or a later one of this latent"
    return CorruptArtifactError(f"{where}: {problem}. Harvest the shard again.")
