"""Find latents by their label: the text of the token on which each fires most."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import InputError
from feature_manifold.core.vocabulary import folded
from feature_manifold.examples.pages import token_text

MAX_LETTERS = 200
MAX_LIMIT = 1000


@dataclass(frozen=True)
class LabelHit:
    """A latent whose label matches: how often it fires, and how often on that token."""

    latent: int
    label: str
    firings: int
    label_firings: int


class LabelSearch:
    """The labels of all latents.

    Parameters
    ----------
    statistics
        STATISTICS_DTYPE (n_latents,). Latents that never fire have no label.
    vocabulary
        Text of every token id.

    Raises
    ------
    CorruptArtifactError
        If the vocabulary is too short.
    """

    def __init__(self, statistics: Array, vocabulary: Sequence[str]) -> None:
        self._counts = np.array(statistics["count"])
        self._label_counts = np.array(statistics["label_count"])
        labels = np.array(statistics["label_token_id"])
        fires = np.flatnonzero((self._counts > 0) & (labels >= 0))
        order = fires[np.lexsort((fires, -self._counts[fires], labels[fires]))]
        ids, heads = np.unique(labels[order], return_index=True)
        self._latents = np.split(order, heads[1:]) if len(heads) else []
        self._texts = [token_text(vocabulary, token_id) for token_id in ids.tolist()]
        self._folded = [folded(text) for text in self._texts]

    def find(self, query: str, *, limit: int = 50) -> tuple[LabelHit, ...]:
        """Find latents whose label holds a text, without regard to case and outer spaces.

        Returns
        -------
        tuple of LabelHit
            Labels equal to the text first, then those that start with it, then the rest; within
            each by falling number of firings, then the smaller latent.

        Raises
        ------
        InputError
            If the text is empty or too long, or the limit is not 1 to MAX_LIMIT.
        """
        wanted = folded(query)
        if not wanted or len(query) > MAX_LETTERS:
            raise InputError(f"A label of 1 to {MAX_LETTERS} characters is wanted.")
        if not 1 <= limit <= MAX_LIMIT:
            raise InputError(f"limit is {limit:,}: 1 to {MAX_LIMIT:,} latents can be asked for.")
        texts = self._folded
        places = [place for place, text in enumerate(texts) if wanted in text]
        if not places:
            return ()
        tier = [(texts[at] != wanted) + (not texts[at].startswith(wanted)) for at in places]
        sizes = [len(self._latents[at]) for at in places]
        latents = np.concatenate([self._latents[at] for at in places])
        label, tiers = np.repeat(places, sizes), np.repeat(tier, sizes)
        best = np.lexsort((latents, -self._counts[latents], tiers))[:limit]
        return tuple(
            LabelHit(latent, self._texts[at], firings, label_firings)
            for latent, at, firings, label_firings in zip(
                latents[best].tolist(),
                label[best].tolist(),
                self._counts[latents[best]].tolist(),
                self._label_counts[latents[best]].tolist(),
                strict=True,
            )
        )
