"""Count, range, mean, percentiles and label of every latent, over all its firings."""

from collections.abc import Callable

import numpy as np

from feature_manifold.core.arrays import Array
from feature_manifold.core.counting import (
    Coder,
    code_counter,
    coder_of,
    count_codes,
    n_token_ids,
)
from feature_manifold.core.jobs import in_order
from feature_manifold.core.kernels import kernel
from feature_manifold.core.progress import Progress
from feature_manifold.index.labels import labels_of
from feature_manifold.store.firing_blocks import latent_jobs, read_block
from feature_manifold.store.firings import FiringsByLatent
from feature_manifold.store.statistics import STATISTICS_DTYPE

PERCENTILES = (0.1, 0.5, 0.9)
SUMMARY = ("min", "max", "mean", "p10", "p50", "p90")


def latent_statistics(
    by_latent: FiringsByLatent, token_id: Array, *, n_workers: int = 1, progress: Progress
) -> Array:
    """Summarise the firings of every latent.

    Means are of float64 sums whose rounding is made up for, and percentiles are exact, by numpy's
    linear rule; both are then stored as float32. The label is the most frequent token id, the
    smallest of several.

    Parameters
    ----------
    by_latent
        Firings by latent. May be memory-mapped; read once, in blocks.
    token_id
        int32 (n_tokens,), vocabulary entry of every token; -1 where unknown.
    n_workers
        Threads; the result does not depend on it.
    progress
        Told of firings.

    Returns
    -------
    numpy.ndarray
        STATISTICS_DTYPE (n_latents,). A latent that never fires has zeros and label -1.

    Raises
    ------
    CorruptArtifactError
        If a firing is out of order or its activation is not finite and positive.
    """
    statistics = np.zeros(by_latent.n_latents, dtype=STATISTICS_DTYPE)
    statistics["count"] = np.diff(by_latent.indptr)
    # 4 bytes a token, read at random: a copy, since mapped pages would be given back and reread.
    summarise = _summariser(by_latent, np.array(token_id), statistics)
    with progress.task("latent statistics", total=by_latent.n_firings, unit="firings") as task:
        for done in in_order(summarise, latent_jobs(by_latent), n_workers=n_workers):
            task.advance(done)
    return statistics


def _summariser(
    by_latent: FiringsByLatent, token_id: Array, statistics: Array
) -> Callable[[tuple[int, int]], int]:
    """Return what fills the records of some latents and tells how many firings they have."""
    coder, table = coder_of(by_latent.activations.dtype)
    n_ids = n_token_ids(token_id)

    def summarise(latents: tuple[int, int]) -> int:
        block = read_block(by_latent, *latents)
        records = statistics[block.first : block.last]
        figures = np.zeros((len(records), len(SUMMARY)), dtype=np.float32)
        _summarise(block.offsets, block.bits, coder, table, figures)
        for column, name in enumerate(SUMMARY):
            records[name] = figures[:, column]
        records["label_token_id"], records["label_count"] = labels_of(
            block.offsets, block.tokens, token_id, n_ids=n_ids
        )
        return len(block.tokens)

    return summarise


@kernel()
def _summarise(offsets: Array, bits: Array, coder: Coder, table: Array, figures: Array) -> None:
    counts = code_counter(offsets)
    for row in range(len(figures)):
        if offsets[row] == offsets[row + 1]:
            continue
        codes, values = coder(bits[offsets[row] : offsets[row + 1]], table)
        low, high = count_codes(codes, counts)
        figures[row, 0], figures[row, 1] = values[low], values[high]
        figures[row, 2] = _sum(values, counts, low, high) / len(codes)
        for column, share in enumerate(PERCENTILES):
            figures[row, 3 + column] = _percentile(values, counts, low, len(codes), share)
        counts[low : high + 1] = 0


@kernel()
def _sum(values: Array, counts: Array, low: int, high: int) -> float:
    """Add up all activations, with the error of each addition (Neumaier 1974)."""
    total, lost = 0.0, 0.0
    for code in range(low, high + 1):
        if counts[code] == 0:
            continue
        term = values[code] * counts[code]
        longer = total + term
        if total >= term:
            lost += (total - longer) + term
        else:
            lost += (term - longer) + total
        total = longer
    return total + lost


@kernel()
def _percentile(values: Array, counts: Array, low: int, n: int, share: float) -> float:
    """Interpolate between the two activations next to a share of all, as numpy does."""
    place = (n - 1) * share
    before = int(np.floor(place))
    code, passed = low, counts[low]
    while passed <= before:
        code += 1
        passed += counts[code]
    least = greatest = values[code]
    if before + 1 < n:
        while passed <= before + 1:
            code += 1
            passed += counts[code]
        greatest = values[code]
    part, step = place - before, greatest - least
    return float(greatest - step * (1 - part) if part >= 0.5 else least + step * part)
