"""Turn firings sorted by latent into firings sorted by token: a counting sort in blocks."""

import numpy as np

from feature_manifold.core.arrays import Array, Int64Array
from feature_manifold.core.errors import CorruptArtifactError, InputError
from feature_manifold.core.kernels import kernel
from feature_manifold.core.progress import Progress
from feature_manifold.index.blocks import BLOCK_FIRINGS, row_blocks
from feature_manifold.store.firings import FiringsByLatent, FiringsByToken


def transpose(
    by_latent: FiringsByLatent,
    *,
    out_latents: Array | None = None,
    out_activations: Array | None = None,
    progress: Progress,
    block_firings: int = BLOCK_FIRINGS,
) -> FiringsByToken:
    """Sort firings by token, then latent.

    Parameters
    ----------
    by_latent
        Firings by latent. May be memory-mapped.
    out_latents
        uint32 (n_firings,), written in order; made when not given. May be memory-mapped.
    out_activations
        (n_firings,), of the type of ``by_latent.activations``; made when not given.
    progress
        Told of firings.
    block_firings
        Firings held in memory at a time; the result does not depend on it.

    Returns
    -------
    FiringsByToken
        Its arrays are the given outputs.

    Raises
    ------
    CorruptArtifactError
        If a token is not in the token table, or tokens do not rise within a latent.
    """
    n_firings = by_latent.n_firings
    if out_latents is None:
        out_latents = np.empty(n_firings, dtype=np.uint32)
    if out_activations is None:
        out_activations = np.empty(n_firings, dtype=by_latent.activations.dtype)
    if len(out_latents) != n_firings or out_activations.shape != (n_firings,):
        raise InputError(f"outputs must have {n_firings:,} entries, one per firing.")
    if out_activations.dtype != by_latent.activations.dtype:
        raise InputError(f"activations must be {by_latent.activations.dtype}.")
    tokens = np.asarray(by_latent.tokens)
    bits = np.asarray(by_latent.activations).view(f"u{by_latent.activations.dtype.itemsize}")
    indptr = _token_indptr(by_latent, tokens)
    heads = np.array(by_latent.indptr[:-1])
    ends = np.array(by_latent.indptr[1:])
    with progress.task("sort firings by token", total=n_firings, unit="firings") as task:
        for first, last in row_blocks(indptr, max_entries=block_firings):
            low, high = int(indptr[first]), int(indptr[last])
            latents = np.empty(high - low, dtype=np.uint32)
            block_bits = np.empty(high - low, dtype=bits.dtype)
            cursor = indptr[first:last] - low
            _take_tokens(tokens, bits, heads, ends, first, last, cursor, latents, block_bits)
            out_latents[low:high] = latents
            out_activations[low:high] = block_bits.view(out_activations.dtype)
            task.advance(high - low)
    return FiringsByToken(indptr, out_latents, out_activations)


def _token_indptr(by_latent: FiringsByLatent, tokens: Array) -> Int64Array:
    indptr = np.zeros(by_latent.n_tokens + 1, dtype=np.int64)
    row = _count_tokens(np.array(by_latent.indptr), tokens, indptr[1:])
    if row >= 0:
        raise CorruptArtifactError(
            f"Firing {row:,} of the index (token {int(tokens[row]):,}) is out of order or not in "
            f"the token table of {by_latent.n_tokens:,} rows. Make the index again."
        )
    np.cumsum(indptr, out=indptr)
    return indptr


@kernel()
def _count_tokens(indptr: Array, tokens: Array, counts: Array) -> int:
    """Count the firings of each token; return the first entry that is out of order, or -1."""
    for latent in range(len(indptr) - 1):
        last = np.int64(-1)
        for entry in range(indptr[latent], indptr[latent + 1]):
            token = np.int64(tokens[entry])
            if token <= last or token >= len(counts):
                return entry
            counts[token] += 1
            last = token
    return -1


@kernel()
def _take_tokens(
    tokens: Array,
    bits: Array,
    heads: Array,
    ends: Array,
    first: int,
    last: int,
    cursor: Array,
    out_latents: Array,
    out_bits: Array,
) -> None:
    """Move the firings of the tokens ``[first, last)``; ``heads`` advances past them.

    Latents are visited in order, so each token's firings come out sorted by latent. A block of
    tokens, not all of them, so that the scattered writes stay within a bounded buffer.
    """
    for latent in range(len(heads)):
        entry = heads[latent]
        while entry < ends[latent] and tokens[entry] < last:
            at = cursor[tokens[entry] - first]
            cursor[tokens[entry] - first] = at + 1
            out_latents[at] = latent
            out_bits[at] = bits[entry]
            entry += 1
        heads[latent] = entry
