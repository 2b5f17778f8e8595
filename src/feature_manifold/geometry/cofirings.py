"""Counts of co-firings, latent by latent: whole numbers, exact at any size."""

from typing import Protocol

import numpy as np

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.core.kernels import kernel
from feature_manifold.store.firings import FiringsByLatent, FiringsByToken
from feature_manifold.store.npy import release

COPIED_FIRINGS = 1 << 24
"""Firings read from a mapped file at a time: 64 MiB."""

BATCH = 64
"""Tokens whose latents are fetched together: 8 KiB at 60 a token."""

CACHE_LINE = 32
"""Latents of two bytes in 64 bytes."""


class Cofirings(Protocol):
    """Something that counts with whom latents fire; several threads may ask at a time."""

    @property
    def rows_at_once(self) -> int:
        """Rows that are best asked for together."""
        ...

    def rows(self, first: int, last: int) -> Array:
        """Return |A ∩ B| of the latents ``[first, last)`` with all: whole, the caller's own."""
        ...


def count_dtype(indptr: Array) -> np.dtype[np.signedinteger]:
    """Return a type that holds every count: int64 if a latent fires 2**31 times or more."""
    most = int(np.diff(indptr).max(initial=0))
    return np.dtype(np.int32 if most < 1 << 31 else np.int64)


def compact_latents(by_token: FiringsByToken, n_latents: int) -> Array:
    """Copy the latents of all tokens to memory, in two bytes each where they fit.

    Returns
    -------
    numpy.ndarray
        (n_firings,), uint16 or uint32; 1.2 GB for 10 M tokens of 60.

    Raises
    ------
    CorruptArtifactError
        If one is not below ``n_latents``, or the offsets of the tokens fall.
    """
    latents = by_token.latents
    compact = np.empty(len(latents), dtype=np.uint16 if n_latents <= 1 << 16 else np.uint32)
    for start in range(0, len(latents), COPIED_FIRINGS):
        block = latents[start : start + COPIED_FIRINGS]
        if block.max() >= n_latents:
            raise CorruptArtifactError(
                f"The index by token has a latent {int(block.max()):,}, and there are "
                f"{n_latents:,}. Make the index again."
            )
        compact[start : start + len(block)] = block
        release(latents)
    for start in range(0, len(by_token.indptr), COPIED_FIRINGS):
        block = by_token.indptr[start : start + COPIED_FIRINGS + 1]
        if (block[1:] < block[:-1]).any() or block[0] < 0 or block[-1] > len(latents):
            raise CorruptArtifactError(
                "The index by token has offsets that fall. Make the index again."
            )
    return compact


class CountedCofirings:
    """Counts on the processor: walks a latent's tokens and, on each, the latents that fire.

    That is the sum over tokens of (latents on it)² increments, 3.6e10 for 10 M tokens of 60. One
    row of counts exists at a time and thread: 65k x 4 bytes stay in the second-level cache.

    Parameters
    ----------
    by_latent, by_token
        The same firings, both ways. May be memory-mapped; the latents of the tokens are copied.

    Raises
    ------
    CorruptArtifactError
        If the firings are of latents or tokens that do not exist.
    """

    rows_at_once = 1

    def __init__(self, by_latent: FiringsByLatent, by_token: FiringsByToken) -> None:
        self._indptr = np.asarray(by_latent.indptr)
        self._tokens = np.asarray(by_latent.tokens)
        self._token_indptr = np.array(by_token.indptr)
        self._latents = compact_latents(by_token, by_latent.n_latents)
        self._dtype = count_dtype(self._indptr)

    def rows(self, first: int, last: int) -> Array:
        """Return |A ∩ B| of the latents ``[first, last)`` with all."""
        counts = np.zeros((last - first, len(self._indptr) - 1), dtype=self._dtype)
        for latent in range(first, last):
            tokens = self._tokens[self._indptr[latent] : self._indptr[latent + 1]]
            if len(tokens) and tokens.max() >= len(self._token_indptr) - 1:
                raise CorruptArtifactError(
                    f"The index has a token {int(tokens.max()):,} of latent {latent}, and there "
                    f"are {len(self._token_indptr) - 1:,}. Make the index again."
                )
            _count(tokens, self._token_indptr, self._latents, counts[latent - first])
        return counts


@kernel()
def _count(tokens: Array, token_indptr: Array, latents: Array, out: Array) -> int:
    """Add 1 to ``out`` for each latent of each token.

    The rows of a batch of tokens are touched before they are counted, so that the many waits for
    memory overlap: three times as fast as one row after the other. Returns a sum of what was
    touched, lest the compiler leave it out.
    """
    starts = np.empty(BATCH, dtype=np.int64)
    stops = np.empty(BATCH, dtype=np.int64)
    touched = 0
    for first in range(0, len(tokens), BATCH):
        size = min(BATCH, len(tokens) - first)
        for at in range(size):
            starts[at] = token_indptr[tokens[first + at]]
            stops[at] = token_indptr[tokens[first + at] + 1]
        for at in range(size):
            for line in range(starts[at], stops[at], CACHE_LINE):
                touched += latents[line]
        for at in range(size):
            for entry in range(starts[at], stops[at]):
                out[latents[entry]] += 1
    return touched
