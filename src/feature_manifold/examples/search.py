"""Find latents by the text of the tokens on which they fire most."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from feature_manifold.core.arrays import Int64Array
from feature_manifold.examples.pages import token_text
from feature_manifold.store.examples import ExampleSet


@dataclass(frozen=True)
class LatentHit:
    """A latent that fires on a token: how often, and which share of all its firings."""

    latent: int
    count: int
    share: float


@dataclass(frozen=True)
class TokenHit:
    """A token that matches, and the latents that fire on it most."""

    token: str
    token_id: int
    latents: tuple[LatentHit, ...]


class TokenSearch:
    """Search over the token ids that latents fire on most.

    Parameters
    ----------
    examples
        Whose ``token_ids`` and ``token_counts`` are searched.
    vocabulary
        Text of every token id.
    totals
        int64 (n_latents,), all firings of each latent.
    """

    def __init__(self, examples: ExampleSet, vocabulary: Sequence[str], totals: Int64Array) -> None:
        latents = np.repeat(np.arange(len(totals)), np.diff(examples.token_indptr))
        ids, counts = np.array(examples.token_ids), np.array(examples.token_counts)
        # By share: a latent that always fires fires on every token, and means none of them.
        order = np.lexsort((latents, -counts / np.array(totals)[latents], ids))
        self._latents, self._counts = latents[order], counts[order]
        self._totals = np.array(totals)
        self._ids, heads = np.unique(ids[order], return_index=True)
        self._offsets = np.append(heads, len(order))
        self._texts = [token_text(vocabulary, token_id) for token_id in self._ids.tolist()]
        self._folded = [text.strip().casefold() for text in self._texts]
        self._firings = np.add.reduceat(self._counts, heads) if len(heads) else self._counts

    def find(self, query: str, *, limit: int) -> tuple[TokenHit, ...]:
        """Find tokens by text, without regard to case and outer spaces.

        Parameters
        ----------
        query
            Text; one of spaces only matches nothing.
        limit
            Tokens returned, and latents returned per token, at most.

        Returns
        -------
        tuple of TokenHit
            Tokens equal to the query first, then those that start with it, then those that hold
            it; within each by how often latents fire on them. The latents of a token stand by
            the share of their firings that are on it, largest first.
        """
        wanted = query.strip().casefold()
        if not wanted:
            return ()
        found = [
            ((text != wanted) + (not text.startswith(wanted)), -int(self._firings[at]), at)
            for at, text in enumerate(self._folded)
            if wanted in text
        ]
        return tuple(self._hit(at, limit) for _, _, at in sorted(found)[:limit])

    def _hit(self, at: int, limit: int) -> TokenHit:
        first = int(self._offsets[at])
        span = slice(first, min(int(self._offsets[at + 1]), first + limit))
        latents, counts = self._latents[span], self._counts[span]
        shares = counts / self._totals[latents]
        rows = zip(latents.tolist(), counts.tolist(), shares.tolist(), strict=True)
        hits = tuple(LatentHit(*row) for row in rows)
        return TokenHit(self._texts[at], int(self._ids[at]), hits)
