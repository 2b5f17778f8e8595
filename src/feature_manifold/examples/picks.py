"""Which ranks of a latent's firings are shown: the strongest, and samples of three strengths."""

from typing import NamedTuple

import numpy as np

from feature_manifold.core.arrays import Array, Int64Array
from feature_manifold.core.rng import generator

GROUP_PERCENTS = {"high": (10, 25), "medium": (40, 60), "low": (75, 90)}
"""Ranks of each sampled group, in percent of a latent's firings counted from the strongest: the
75th to 90th percentile of activation is high, the 40th to 60th medium, the 10th to 25th low."""

TRIES_PER_PICK = 16


class Draws(NamedTuple):
    """Ranks drawn for the sampled groups of some latents.

    Attributes
    ----------
    strongest
        int64 (n_latents, n_groups), least rank that the group may show.
    offsets
        int64 (n_latents * n_groups + 1,), first rank drawn for each latent and group.
    ranks
        int64 (n_ranks,), in the order drawn; rank 0 is the strongest firing.
    """

    strongest: Int64Array
    offsets: Int64Array
    ranks: Int64Array


def draw_ranks(counts: Array, first: int, *, top_k: int, n_picks: int, seed: int) -> Draws:
    """Draw ranks for every sampled group of consecutive latents.

    Parameters
    ----------
    counts
        int64 (n_latents,), firings of each.
    first
        The first latent.
    top_k
        Ranks below it are in no sampled group.
    n_picks
        Firings shown per group; 0 draws nothing.
    seed
        The config's seed; each latent and group has its own stream.
    """
    shape = (len(counts), len(GROUP_PERCENTS))
    strongest = np.zeros(shape, dtype=np.int64)
    sizes = np.zeros(shape, dtype=np.int64)
    drawn = [np.zeros(0, dtype=np.int64)]
    for row in np.flatnonzero((counts > top_k) & (n_picks > 0)).tolist():
        for column, group in enumerate(GROUP_PERCENTS):
            ranks = group_ranks(int(counts[row]), group, top_k=top_k)
            if ranks[0] == ranks[1]:
                continue
            random = generator(seed, "examples", group, str(first + row))
            drawn.append(sample_ranks(ranks, n_picks=n_picks, random=random))
            strongest[row, column], sizes[row, column] = ranks[0], len(drawn[-1])
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    return Draws(strongest, offsets, np.concatenate(drawn))


def group_ranks(n_firings: int, group: str, *, top_k: int) -> tuple[int, int]:
    """Return the ranks ``[first, last)``, from the strongest, of a group; none is in the top k."""
    low, high = GROUP_PERCENTS[group]
    first = max(n_firings * low // 100, min(top_k, n_firings))
    return first, max(first, n_firings * high // 100)


def sample_ranks(
    ranks: tuple[int, int], *, n_picks: int, random: np.random.Generator
) -> Int64Array:
    """Draw distinct ranks in random order: more than are wanted, since some will not do."""
    size = ranks[1] - ranks[0]
    drawn = random.choice(size, min(size, n_picks * TRIES_PER_PICK), replace=False)
    return np.asarray(drawn + ranks[0], dtype=np.int64)
