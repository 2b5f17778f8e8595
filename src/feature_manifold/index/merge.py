"""Merge shards, each sorted by latent, into one index sorted by latent."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from feature_manifold.core.arrays import Array, Int64Array
from feature_manifold.core.errors import CorruptArtifactError, InputError
from feature_manifold.core.kernels import kernel
from feature_manifold.core.progress import Progress
from feature_manifold.index.blocks import BLOCK_FIRINGS, row_blocks
from feature_manifold.store.shards import Shard

_BITS: dict[np.dtype[Any], np.dtype[Any]] = {
    np.dtype(np.float16): np.dtype(np.uint16),
    np.dtype(np.float32): np.dtype(np.uint32),
}


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
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def merge_shards(
    shards: Sequence[Shard],
    n_latents: int,
    *,
    n_tokens: int,
    out_tokens: Array,
    out_activations: Array,
    progress: Progress,
    block_firings: int = BLOCK_FIRINGS,
) -> Int64Array:
    """Concatenate, latent by latent, shards that follow each other in the token table.

    Parameters
    ----------
    shards
        Sorted by latent, then token; in the order of their tokens. May be memory-mapped.
    n_latents, n_tokens
        Sizes that every firing must respect.
    out_tokens
        uint32 (n_firings,), written in order. May be memory-mapped.
    out_activations
        ``activation_dtype(shards)`` (n_firings,), written in order.
    progress
        Told of firings.
    block_firings
        Firings held in memory at a time; the result does not depend on it.

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
    n_firings = int(indptr[-1])
    if len(out_tokens) != n_firings or len(out_activations) != n_firings:
        raise InputError(f"outputs must have {n_firings:,} entries, one per firing of the shards.")
    for shard in shards:
        if shard.start < 0 or shard.stop > n_tokens:
            raise CorruptArtifactError(
                f"{shard.name} covers tokens {shard.start:,} to {shard.stop:,}, but the token "
                f"table has {n_tokens:,} rows. One of them is stale; harvest again."
            )
    with progress.task("merge shards", total=n_firings, unit="firings") as task:
        for first, last in row_blocks(indptr, max_entries=block_firings):
            span = slice(int(indptr[first]), int(indptr[last]))
            tokens, activations = merge_block(
                shards, indptr, first, last, dtype=out_activations.dtype
            )
            out_tokens[span] = tokens
            out_activations[span] = activations
            task.advance(span.stop - span.start)
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
    activations = np.empty(len(tokens), dtype=dtype)
    bits = activations.view(_BITS[dtype])
    cursor = offsets[:-1].copy()
    newest = np.full(last - first, -1, dtype=np.int64)
    infinity = int(np.array(np.inf, dtype=dtype).view(_BITS[dtype]))
    for shard in shards:
        runs = np.array(shard.indptr[first : last + 1])
        span = slice(int(runs[0]), int(runs[-1]))
        # Copies: one compiled version serves memory-mapped and ordinary arrays.
        own = np.array(shard.activations[span]).astype(dtype, casting="safe", copy=False)
        row = _append_runs(
            runs - runs[0],
            np.array(shard.tokens[span]),
            own.view(bits.dtype),
            shard.start,
            shard.stop,
            infinity,
            cursor,
            newest,
            tokens,
            bits,
        )
        if row >= 0:
            latent = first + int(np.searchsorted(runs - runs[0], row, side="right")) - 1
            raise _refusal(shard, span.start + row, latent)
    return tokens, activations


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


def _refusal(shard: Shard, row: int, latent: int) -> CorruptArtifactError:
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
