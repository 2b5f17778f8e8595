"""The token on which a latent fires most often: its label."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from feature_manifold.core.arrays import Array, Int64Array
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
    counter = id_counter(token_id)
    with progress.task("label latents", total=int(indptr[-1]), unit="firings") as task:
        for first, last in row_blocks(indptr, max_entries=BLOCK_FIRINGS):
            tokens, _ = merge_block(shards, indptr, first, last, dtype=dtype)
            offsets = indptr[first : last + 1] - indptr[first]
            ids = token_id[tokens]
            best[first:last], count[first:last] = most_frequent(offsets, ids, counter)
            task.advance(len(tokens))
    return Labels(best, count, np.diff(indptr))


def id_counter(token_id: Array) -> Int64Array:
    """Return zeros, one per vocabulary entry that occurs, for ``most_frequent``."""
    size = int(token_id.max()) + 1 if len(token_id) else 0
    return np.zeros(size, dtype=np.int64)


def most_frequent(indptr: Int64Array, ids: Array, counter: Int64Array) -> tuple[Array, Int64Array]:
    """Find the most frequent id of each row; the smallest of several; -1 where there is none.

    Parameters
    ----------
    indptr
        int64 (n_rows + 1,).
    ids
        int32 (n_entries,), below ``len(counter)``; negative ids are unknown and do not count.
    counter
        All zero, and all zero again afterwards.

    Returns
    -------
    ids : numpy.ndarray
        int32 (n_rows,).
    counts : numpy.ndarray
        int64 (n_rows,).
    """
    best = np.full(len(indptr) - 1, -1, dtype=np.int32)
    count = np.zeros(len(indptr) - 1, dtype=np.int64)
    _count_rows(indptr, ids, counter, best, count)
    return best, count


@kernel()
def _count_rows(indptr: Array, ids: Array, counter: Array, best: Array, count: Array) -> None:
    for row in range(len(indptr) - 1):
        for entry in range(indptr[row], indptr[row + 1]):
            if ids[entry] >= 0:
                counter[ids[entry]] += 1
        for entry in range(indptr[row], indptr[row + 1]):
            found = ids[entry]
            if found < 0 or counter[found] == 0:
                continue
            if counter[found] > count[row] or (counter[found] == count[row] and found < best[row]):
                best[row] = found
                count[row] = counter[found]
            counter[found] = 0
