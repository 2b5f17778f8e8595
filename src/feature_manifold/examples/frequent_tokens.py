"""The latents that fire most on given token ids, from the few that are kept of each latent."""

import numpy as np
import numpy.typing as npt

from feature_manifold.core.arrays import Int64Array
from feature_manifold.store.examples import ExampleSet

Float64Array = npt.NDArray[np.float64]


class FrequentTokens:
    """The token ids that each latent fires on most, turned round: latents by token id.

    Built once for an experiment, 0.2 s for 65,536 latents; 16 bytes an entry.

    Parameters
    ----------
    examples
        Whose ``token_ids`` and ``token_counts`` are turned round.
    """

    def __init__(self, examples: ExampleSet) -> None:
        ids = np.asarray(examples.token_ids)
        order = np.argsort(ids, kind="stable")
        self._n_latents = len(examples.token_indptr) - 1
        owner = np.repeat(
            np.arange(self._n_latents, dtype=np.int32), np.diff(examples.token_indptr)
        )
        self._ids, self._latents = ids[order], owner[order]
        self._counts = np.asarray(examples.token_counts)[order]

    def firings_on(self, token_ids: Int64Array) -> Float64Array:
        """Return how often each latent fires on some token ids, as far as is known, (n_latents,).

        A token id that is not among the most frequent of a latent does not count for it.
        """
        # Asked in their own type: searchsorted would otherwise convert all ids, every time.
        wanted = token_ids.astype(self._ids.dtype)
        first = np.searchsorted(self._ids, wanted)
        last = np.searchsorted(self._ids, wanted, side="right")
        spans = [slice(*span) for span in zip(first.tolist(), last.tolist(), strict=True)]
        latents = np.concatenate([self._latents[span] for span in spans])
        counts = np.concatenate([self._counts[span] for span in spans])
        found = np.bincount(latents, weights=counts, minlength=self._n_latents)
        return np.asarray(found, dtype=np.float64)
