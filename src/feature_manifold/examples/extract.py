"""Pick the examples of every latent and count what it fires on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from feature_manifold.core.arrays import Array, Int64Array
from feature_manifold.core.counting import coder_of, n_token_ids
from feature_manifold.core.jobs import in_order
from feature_manifold.core.progress import Progress
from feature_manifold.examples.contexts import window_bounds
from feature_manifold.examples.picks import draw_ranks
from feature_manifold.examples.selection import Selection, Text, select
from feature_manifold.store.examples import GROUPS, N_BINS, ExampleSet
from feature_manifold.store.firing_blocks import latent_jobs, read_block
from feature_manifold.store.firings import FiringsByLatent
from feature_manifold.store.token_table import TokenTable

SEARCH_TOKENS = 20
"""Token ids kept per latent to find it by."""


@dataclass(frozen=True)
class _Choice:
    top_k: int
    n_picks: int
    seed: int


def extract_examples(
    by_latent: FiringsByLatent,
    table: TokenTable,
    *,
    top_k: int,
    context_size: int,
    sample_percentiles: bool,
    percentile_examples: int,
    seed: int,
    n_workers: int = 1,
    progress: Progress,
) -> ExampleSet:
    """Pick contexts of every latent; count its activations and the token ids it fires on.

    The top group are the strongest firings. A sampled group (``picks.GROUP_PERCENTS``) draws
    firings by rank of activation, outside the top group, with no firing in their context that is
    too strong for the group: what is shown as low is low, and where firings stand dense the group
    may be empty. Contexts of one group that share a row are one example. Groups come in the order
    of ``store.examples.GROUPS``, their examples by falling greatest activation, then by row.

    Parameters
    ----------
    by_latent
        Firings by latent. May be memory-mapped; read once, in blocks.
    table
        The token table that the firings point into.
    top_k
        Firings in the top group, at least 1.
    context_size
        Rows on either side of a firing.
    sample_percentiles
        Whether to sample the high, medium and low groups.
    percentile_examples
        Firings drawn per sampled group.
    seed
        The config's seed; each latent and group has its own stream.
    n_workers
        Threads; the result does not depend on it.
    progress
        Told of latents.

    Returns
    -------
    ExampleSet
        A latent that never fires has no examples and a histogram of zeros.

    Raises
    ------
    CorruptArtifactError
        If a firing is out of order or its activation is not finite and positive.
    """
    bounds = window_bounds(table)
    # 4 bytes a token, read at random: a copy, since mapped pages would be given back and reread.
    token_id = np.array(table.token_id)
    text = Text(token_id, n_token_ids(token_id), bounds.rows, bounds.first, context_size)
    n_picks = percentile_examples if sample_percentiles else 0
    choose = _chooser(by_latent, text, _Choice(top_k, n_picks, seed))
    found = []
    with progress.task("examples", total=by_latent.n_latents, unit="latents") as task:
        for part in in_order(choose, latent_jobs(by_latent), n_workers=n_workers):
            found.append(part)
            task.advance(len(part.ends))
    return _joined(found)


def _chooser(
    by_latent: FiringsByLatent, text: Text, choice: _Choice
) -> Callable[[tuple[int, int]], Selection]:
    """Return what selects the examples of the latents ``[first, last)``."""
    coder, table = coder_of(by_latent.activations.dtype)

    def choose(latents: tuple[int, int]) -> Selection:
        block = read_block(by_latent, *latents)
        counts = np.diff(block.offsets)
        draws = draw_ranks(
            counts, block.first, top_k=choice.top_k, n_picks=choice.n_picks, seed=choice.seed
        )
        most = choice.top_k + (len(GROUPS) - 1) * choice.n_picks
        found = _room(len(counts), int(np.minimum(counts, most).sum()))
        select(
            block.offsets,
            block.tokens,
            block.bits,
            coder,
            table,
            text,
            draws,
            choice.top_k,
            choice.n_picks,
            found,
        )
        n = int(found.ends[-1])
        return found._replace(
            start=found.start[:n].copy(), stop=found.stop[:n].copy(), group=found.group[:n].copy()
        )

    return choose


def _room(n_latents: int, n_examples: int) -> Selection:
    """Return arrays to write to."""
    return Selection(
        start=np.empty(n_examples, dtype=np.uint32),
        stop=np.empty(n_examples, dtype=np.uint32),
        group=np.empty(n_examples, dtype=np.uint8),
        ends=np.zeros(n_latents, dtype=np.int64),
        bins=np.zeros((n_latents, N_BINS + 1), dtype=np.float32),
        histogram=np.zeros((n_latents, N_BINS), dtype=np.int64),
        ids=np.zeros((n_latents, SEARCH_TOKENS), dtype=np.int32),
        id_counts=np.zeros((n_latents, SEARCH_TOKENS), dtype=np.int64),
        n_ids=np.zeros(n_latents, dtype=np.int64),
    )


def _joined(parts: Sequence[Selection]) -> ExampleSet:
    """Join what was found of each block."""
    n_ids = np.concatenate([part.n_ids for part in parts])
    kept = np.arange(SEARCH_TOKENS) < n_ids[:, None]
    return ExampleSet(
        indptr=_offsets([np.diff(part.ends, prepend=0) for part in parts]),
        start=np.concatenate([part.start for part in parts]),
        stop=np.concatenate([part.stop for part in parts]),
        group=np.concatenate([part.group for part in parts]),
        histogram_bins=np.concatenate([part.bins for part in parts]),
        histogram_counts=np.concatenate([part.histogram for part in parts]),
        token_indptr=_offsets([n_ids]),
        token_ids=np.concatenate([part.ids for part in parts])[kept],
        token_counts=np.concatenate([part.id_counts for part in parts])[kept],
    )


def _offsets(sizes: Sequence[Array]) -> Int64Array:
    return np.cumsum(np.concatenate([np.zeros(1, dtype=np.int64), *sizes]))
