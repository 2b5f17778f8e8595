"""Firings of consecutive latents, copied from the index and checked."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from feature_manifold.core.arrays import Array, Int64Array, infinity_bits
from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.core.jobs import even_jobs
from feature_manifold.core.kernels import kernel
from feature_manifold.store.firings import FiringsByLatent
from feature_manifold.store.npy import release

BLOCK_FIRINGS = 1 << 20
"""Firings in a block, about: 6 MB, some ten milliseconds of work."""

LATENT_FIRINGS = 1 << 10
"""Firings that a latent costs even if it never fires."""


@dataclass(frozen=True)
class FiringBlock:
    """Firings of the latents ``[first, last)``, in memory.

    Attributes
    ----------
    first, last
        The latents.
    offsets
        int64 (last - first + 1,), from 0: first firing of each latent.
    tokens
        uint32 (n,), below the number of tokens, rising within a latent.
    activations
        float16 or float32 (n,), finite and positive.
    """

    first: int
    last: int
    offsets: Int64Array
    tokens: Array
    activations: Array

    @property
    def bits(self) -> Array:
        """Activations as unsigned numbers of the same size and order."""
        return self.activations.view(f"u{self.activations.dtype.itemsize}")


def latent_jobs(firings: FiringsByLatent) -> Iterator[tuple[int, int]]:
    """Yield the latents ``[first, last)`` of each block: together all, in order."""
    yield from even_jobs(np.asarray(firings.indptr), entries=BLOCK_FIRINGS, per_row=LATENT_FIRINGS)


def read_block(firings: FiringsByLatent, first: int, last: int) -> FiringBlock:
    """Copy the firings of the latents ``[first, last)``; give mapped pages back.

    Raises
    ------
    CorruptArtifactError
        Naming the first firing that is out of order, beyond the token table, or whose activation
        is not finite and positive.
    """
    offsets = np.array(firings.indptr[first : last + 1])
    span = slice(int(offsets[0]), int(offsets[-1]))
    tokens = np.array(firings.tokens[span])
    activations = np.array(firings.activations[span])
    release(firings.tokens, firings.activations)
    block = FiringBlock(first, last, offsets - offsets[0], tokens, activations)
    infinity = infinity_bits(activations.dtype)
    row = _first_bad(block.offsets, tokens, block.bits, firings.n_tokens, infinity)
    if row >= 0:
        latent = first + int(np.searchsorted(block.offsets, row, side="right")) - 1
        raise CorruptArtifactError(
            f"latents/, row {span.start + row:,} (latent {latent:,}): token {tokens[row]:,} with "
            f"activation {activations[row]}: tokens must rise within a latent and lie below "
            f"{firings.n_tokens:,}, activations be finite and positive. Make the index again "
            "with: fmi run CONFIG.yaml --only index --force"
        )
    return block


@kernel()
def _first_bad(offsets: Array, tokens: Array, bits: Array, n_tokens: int, infinity: int) -> int:
    """Return the first bad row, or -1: bits of what is finite and positive lie between two."""
    for latent in range(len(offsets) - 1):
        last = np.int64(-1)
        for row in range(offsets[latent], offsets[latent + 1]):
            token = np.int64(tokens[row])
            if token <= last or token >= n_tokens or bits[row] == 0 or bits[row] >= infinity:
                return row
            last = token
    return -1
