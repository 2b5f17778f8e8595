"""The token on which a latent fires most often: its label."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from feature_manifold.core.arrays import Array, Int64Array
from feature_manifold.core.counting import most_frequent, n_token_ids
from feature_manifold.core.kernels import kernel
from feature_manifold.core.progress import Progress
from feature_manifold.index.blocks import BLOCK_FIRINGS, row_blocks
from feature_manifold.index.merge import activation_dtype, merge_block, merged_indptr
from feature_manifold.store.shards import Shard


@dataclass(frozen=True)
class Labels:
    """Labels of all latents.

    Attributes
    ----------
    token_id
        int32 (n_latents,); -1 when the latent never fires, or only on tokens of unknown id.
    count
        int64 (n_latents,), firings on that token id.
    total
        int64 (n_latents,), all firings.
    """

    token_id: Array
    count: Int64Array
    total: Int64Array


def shard_labels(shards: Sequence[Shard], token_id: Array, *, progress: Progress) -> Labels:
    """Label every latent straight from shards, without an index.

    Parameters
    ----------
    shards
        As ``merge.merge_shards`` takes them; at least one.
    token_id
        int32 (n_tokens,), vocabulary entry of every token; -1 where unknown.
    progress
        Told of firings.

    Returns
    -------
    Labels
        Equal to the labels of ``statistics.latent_statistics`` on the merged shards.

    Raises
    ------
    CorruptArtifactError
        As ``merge.merge_shards``.
    """
    n_latents = shards[0].n_latents
    indptr = merged_indptr(shards, n_latents)
    dtype = activation_dtype(shards)
    best = np.full(n_latents, -1, dtype=np.int32)
    count = np.zeros(n_latents, dtype=np.int64)
    token_id = np.array(token_id)
    n_ids = n_token_ids(token_id)
    with progress.task("label latents", total=int(indptr[-1]), unit="firings") as task:
        for first, last in row_blocks(indptr, max_entries=BLOCK_FIRINGS):
            tokens, _ = merge_block(shards, indptr, first, last, dtype=dtype)
            offsets = indptr[first : last + 1] - indptr[first]
            best[first:last], count[first:last] = labels_of(offsets, tokens, token_id, n_ids=n_ids)
            task.advance(len(tokens))
    return Labels(best, count, np.diff(indptr))


def labels_of(
    offsets: Int64Array, tokens: Array, token_id: Array, *, n_ids: int
) -> tuple[Array, Int64Array]:
    """Find the token id on which each latent fires most; the smallest of several.

    Parameters
    ----------
    offsets
        int64 (n_latents + 1,), first firing of each latent.
    tokens
        uint32 (n_firings,), rows of the token table.
    token_id
        int32 (n_tokens,); negative ids are unknown and do not count.
    n_ids
        ``counting.n_token_ids(token_id)``.

    Returns
    -------
    token_id : numpy.ndarray
        int32 (n_latents,); -1 where there is none.
    count : numpy.ndarray
        int64 (n_latents,).
    """
    best = np.full(len(offsets) - 1, -1, dtype=np.int32)
    count = np.zeros(len(offsets) - 1, dtype=np.int64)
    _label_rows(offsets, tokens, token_id, n_ids, best, count)
    return best, count


@kernel()
def _label_rows(
    offsets: Array, tokens: Array, token_id: Array, n_ids: int, best: Array, count: Array
) -> None:
    counter = np.zeros(n_ids, dtype=np.uint32)
    seen = np.empty(n_ids, dtype=np.int32)
    for row in range(len(best)):
        own = tokens[offsets[row] : offsets[row + 1]]
        most_frequent(own, token_id, counter, seen, best[row : row + 1], count[row : row + 1])
