"""Find latents by the text of the tokens on which they fire most."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from feature_manifold.core.arrays import Int64Array
from feature_manifold.core.errors import CorruptArtifactError
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

    Raises
    ------
    CorruptArtifactError
        If examples, vocabulary and totals do not belong together.
    """

    def __init__(self, examples: ExampleSet, vocabulary: Sequence[str], totals: Int64Array) -> None:
        self._totals = np.array(totals)
        latents = np.repeat(np.arange(len(totals)), np.diff(examples.token_indptr))
        ids, counts = np.array(examples.token_ids), np.array(examples.token_counts)
        if (counts > self._totals[latents]).any():
            raise CorruptArtifactError(
                "The examples count more firings than the index holds: one of them is damaged, or "
                "of another run. Make them again with: fmi run CONFIG.yaml --only examples --force"
            )
        # By share: a latent that always fires fires on every token, and means none of them.
        order = np.lexsort((latents, -counts / self._totals[latents], ids))
        self._latents, self._counts = latents[order], counts[order]
        ids, heads = np.unique(ids[order], return_index=True)
        firings = np.add.reduceat(self._counts, heads) if len(heads) else self._counts
        # Tokens that fire most come first, so that those found come in order.
        busiest = np.argsort(-firings, kind="stable")
        self._ids = ids[busiest]
        offsets = np.append(heads, len(order))
        self._spans = np.stack([offsets[:-1], offsets[1:]], axis=1)[busiest]
        self._texts = [token_text(vocabulary, token_id) for token_id in self._ids.tolist()]
        self._folded = [text.strip().casefold() for text in self._texts]

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
        texts = self._folded
        found = (at for at, text in enumerate(texts) if wanted in text)
        # Of equals the first found stays first.
        best = heapq.nsmallest(
            limit, found, key=lambda at: (texts[at] != wanted) + (not texts[at].startswith(wanted))
        )
        return tuple(self._hit(at, limit) for at in best)

    def _hit(self, at: int, limit: int) -> TokenHit:
        first, last = self._spans[at].tolist()
        span = slice(first, min(last, first + limit))
        latents, counts = self._latents[span], self._counts[span]
        shares = counts / self._totals[latents]
        rows = zip(latents.tolist(), counts.tolist(), shares.tolist(), strict=True)
        hits = tuple(LatentHit(*row) for row in rows)
        return TokenHit(self._texts[at], int(self._ids[at]), hits)
