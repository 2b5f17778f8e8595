"""Search: which latents fire on a token, found by the token's text."""

from dataclasses import dataclass

import numpy as np

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.store.examples import ExampleSet


@dataclass(frozen=True)
class TokenIndex:
    """Latents by token id.

    Attributes
    ----------
    token_ids
        int64 (n_entries,), rising: vocabulary entries on which some latent often fires.
    texts, folded
        Text of each entry, and the same without case, for comparing.
    indptr
        int64 (n_entries + 1,), first pair of each entry.
    latents, counts, shares
        uint32, int64, float64 (n_pairs,): latent, its firings on the token, and their part of
        all its firings.
    """

    token_ids: Array
    texts: list[str]
    folded: list[str]
    indptr: Array
    latents: Array
    counts: Array
    shares: Array


@dataclass(frozen=True)
class Hit:
    """One matching token: the latents that fire on it, largest share first."""

    token: str
    token_id: int
    n_latents: int
    latents: Array
    counts: Array
    shares: Array


def build_token_index(
    examples: ExampleSet, *, total_firings: Array, vocabulary: list[str]
) -> TokenIndex:
    """Invert the most frequent tokens of every latent.

    Parameters
    ----------
    examples
        Per latent its most frequent firing token ids, with counts.
    total_firings
        int64 (n_latents,).
    vocabulary
        Text of each token id.

    Raises
    ------
    CorruptArtifactError
        If a token id is not in the vocabulary.
    """
    n_latents = len(examples.token_indptr) - 1
    owners = np.repeat(np.arange(n_latents, dtype=np.uint32), np.diff(examples.token_indptr))
    order = np.argsort(examples.token_ids, kind="stable")
    # Adopted data may not know its tokens: id -1.
    order = order[np.searchsorted(examples.token_ids, 0, sorter=order) :]
    ids = np.asarray(examples.token_ids)[order].astype(np.int64)
    if ids.size and ids[-1] >= len(vocabulary):
        raise CorruptArtifactError(
            f"examples/token_ids.npy: token id {ids[-1]} is not among the {len(vocabulary):,} of "
            "corpus/vocabulary.json. Make the examples again with: "
            "fmi run CONFIG.yaml --only examples --force"
        )
    unique, first = np.unique(ids, return_index=True)
    latents, counts = owners[order], np.asarray(examples.token_counts)[order]
    texts = [vocabulary[token_id] for token_id in unique.tolist()]
    return TokenIndex(
        token_ids=unique,
        texts=texts,
        folded=[text.casefold() for text in texts],
        indptr=np.append(first, len(ids)),
        latents=latents,
        counts=counts,
        shares=counts / np.maximum(total_firings[latents], 1),
    )


def find_tokens(index: TokenIndex, query: str) -> Array:
    """Find the entries whose text matches.

    The order is: the text itself; the text but for case and outer spaces; texts that contain
    it. Within each, entries with more firings come first, then lower token ids.

    Returns
    -------
    ndarray
        int64 (n_hits,), places in ``index.token_ids``.
    """
    folded = query.casefold()
    bare = folded.strip()
    n_entries = len(index.texts)
    exact = np.fromiter((text == query for text in index.texts), bool, n_entries)
    same = np.fromiter((text.strip() == bare for text in index.folded), bool, n_entries)
    holds = np.fromiter((folded in text for text in index.folded), bool, n_entries)
    rank = np.where(exact, 0, np.where(same & bool(bare), 1, np.where(holds, 2, 3)))
    hits = np.flatnonzero(rank < 3)
    totals = np.append(0, np.cumsum(index.counts))
    firings = totals[index.indptr[hits + 1]] - totals[index.indptr[hits]]
    return hits[np.lexsort((hits, -firings, rank[hits]))]


def hit(index: TokenIndex, entry: int, *, limit: int) -> Hit:
    """Return one entry's token and its first ``limit`` latents, by share, then id."""
    pairs = slice(int(index.indptr[entry]), int(index.indptr[entry + 1]))
    latents, shares = index.latents[pairs], index.shares[pairs]
    order = np.lexsort((latents, -shares))[:limit]
    return Hit(
        token=index.texts[entry],
        token_id=int(index.token_ids[entry]),
        n_latents=len(latents),
        latents=latents[order],
        counts=index.counts[pairs][order],
        shares=shares[order],
    )
