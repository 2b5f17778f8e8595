"""Count, range, mean, percentiles and label of every latent, over all its firings."""

import numpy as np

from feature_manifold.core.arrays import Array
from feature_manifold.core.progress import Progress
from feature_manifold.index.blocks import BLOCK_FIRINGS, row_blocks
from feature_manifold.index.labels import id_counter, most_frequent
from feature_manifold.store.firings import FiringsByLatent
from feature_manifold.store.statistics import STATISTICS_DTYPE

PERCENTILES = (10, 50, 90)


def latent_statistics(by_latent: FiringsByLatent, token_id: Array, *, progress: Progress) -> Array:
    """Summarise the firings of every latent.

    Means are summed in float64 and percentiles are exact, by numpy's linear rule; both are then
    stored as float32. The label is the most frequent token id, the smallest of several.

    Parameters
    ----------
    by_latent
        Firings by latent. May be memory-mapped.
    token_id
        int32 (n_tokens,), vocabulary entry of every token; -1 where unknown.
    progress
        Told of firings.

    Returns
    -------
    numpy.ndarray
        STATISTICS_DTYPE (n_latents,). A latent that never fires has zeros and label -1.
    """
    indptr = np.array(by_latent.indptr)
    statistics = np.zeros(by_latent.n_latents, dtype=STATISTICS_DTYPE)
    statistics["count"] = np.diff(indptr)
    counter = id_counter(token_id)
    with progress.task("latent statistics", total=by_latent.n_firings, unit="firings") as task:
        for first, last in row_blocks(indptr, max_entries=BLOCK_FIRINGS):
            low, high = int(indptr[first]), int(indptr[last])
            offsets = indptr[first : last + 1] - low
            ids = token_id[by_latent.tokens[low:high]]
            block = statistics[first:last]
            block["label_token_id"], block["label_count"] = most_frequent(offsets, ids, counter)
            _summarise(by_latent.activations[low:high].astype(np.float64), offsets, block)
            task.advance(high - low)
    return statistics


def _summarise(activations: Array, offsets: Array, block: Array) -> None:
    """Fill the summary of each run of activations that is not empty."""
    for row in np.flatnonzero(np.diff(offsets)).tolist():
        values = activations[offsets[row] : offsets[row + 1]]
        record = block[row]
        record["min"], record["max"] = values.min(), values.max()
        record["mean"] = values.mean()
        record["p10"], record["p50"], record["p90"] = np.percentile(values, PERCENTILES)
