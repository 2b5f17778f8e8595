"""Which token types each latent is about: its strongest types, from one pass over the firings."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from feature_manifold.core.arrays import Array, Float64Array, Int64Array
from feature_manifold.core.kernels import kernel
from feature_manifold.core.progress import Progress
from feature_manifold.store.firing_blocks import latent_jobs, read_block
from feature_manifold.store.firings import FiringsByLatent

MOST_TYPES = 256
"""Types kept per latent. 65,536 latents x 256 types x 8 bytes = 134 MB; all types of all latents
could be 65,536 x 256,000 x 8 bytes = 134 GB."""

MAX_TYPE_SHARE = 0.15
"""A latent is about token types if half of its activation is on types that are at most this share
of the corpus. Latents of contexts, which fire on whatever words come, need about half."""


@dataclass(frozen=True)
class TypeProfiles:
    """Activation of every latent by token type.

    Attributes
    ----------
    by_type
        float32 (n_latents, n_types), CSR: summed activation of a latent on its at most
        `MOST_TYPES` strongest types; columns rise within a row. Types of equal activation, of which
        not all fit, are left out.
    total
        float64 (n_latents,), summed activation on all types.
    count
        int64 (n_latents,), firings.
    """

    by_type: sp.csr_matrix
    total: Float64Array
    count: Int64Array

    def share_on(self, types: Int64Array) -> Float64Array:
        """Return the share of each latent's activation that falls on ``types``, (n_latents,).

        Types beyond a latent's strongest ones count as not fired on; 0 for a silent latent.
        """
        chosen = np.zeros(self.by_type.shape[1], dtype=np.float32)
        chosen[types] = 1
        return np.asarray(self.by_type @ chosen, dtype=np.float64) / np.maximum(self.total, 1e-30)

    def is_selective(self, occurrences: Int64Array) -> Array:
        """Return which latents are about token types, bool (n_latents,); see `MAX_TYPE_SHARE`.

        Parameters
        ----------
        occurrences
            int64 (n_types,), tokens of each type in the corpus.
        """
        table = self.by_type
        row = np.repeat(np.arange(table.shape[0]), np.diff(table.indptr))
        order = np.lexsort((table.indices, -table.data, row))
        sums = np.concatenate([[0.0], np.cumsum(table.data[order], dtype=np.float64)])
        before = sums[:-1] - sums[table.indptr[row]]
        needed = before < 0.5 * self.total[row]
        share = np.bincount(
            row[needed],
            weights=occurrences[table.indices[order][needed]] / max(1, occurrences.sum()),
            minlength=table.shape[0],
        )
        held = np.asarray(table.sum(axis=1), dtype=np.float64).ravel()
        chosen: Array = (held > 0.5 * self.total) & (share <= MAX_TYPE_SHARE)
        return chosen


def type_profiles(
    firings: FiringsByLatent, token_ids: Array, *, n_types: int, progress: Progress
) -> TypeProfiles:
    """Sum the activations of each latent by token type, in one pass and in blocks.

    Parameters
    ----------
    firings
        By latent; may be memory-mapped.
    token_ids
        int (n_tokens,), vocabulary id of each token; -1 where unknown.
    n_types
        Greater than every id.
    """
    n_latents = firings.n_latents
    ids = np.asarray(token_ids, dtype=np.int32)
    total = np.zeros(n_latents)
    kept = np.zeros(n_latents, dtype=np.int64)
    types, sums = [], []
    work = np.zeros(n_types, dtype=np.float32)
    with progress.task("sum by token type", total=n_latents, unit="latents") as task:
        for first, last in latent_jobs(firings):
            block = read_block(firings, first, last)
            values = block.activations.astype(np.float32)
            found = np.empty(len(values), dtype=np.int32)
            n = _strongest(
                block.offsets,
                block.tokens,
                values,
                ids,
                work,
                total[first:last],
                kept[first:last],
                found,
                MOST_TYPES,
            )
            types.append(found[:n].copy())
            sums.append(values[:n].copy())
            task.advance(last - first)
    indptr = np.concatenate([[0], np.cumsum(kept)])
    by_type = sp.csr_matrix(
        (np.concatenate(sums), np.concatenate(types), indptr), shape=(n_latents, n_types)
    )
    by_type.sort_indices()
    return TypeProfiles(by_type, total, np.diff(np.asarray(firings.indptr)))


@kernel()
def _strongest(
    offsets: Array,
    tokens: Array,
    values: Array,
    token_ids: Array,
    work: Array,
    total: Array,
    kept: Array,
    types: Array,
    most: int,
) -> int:
    """Sum each latent's ``values`` by type, and put the strongest types over what was read.

    ``work`` (n_types,) is all 0 before and after. Returns how many were written in all, to the
    fronts of ``types`` and ``values``.
    """
    n = 0
    for latent in range(len(offsets) - 1):
        first = n
        mass = 0.0
        for row in range(offsets[latent], offsets[latent + 1]):
            mass += values[row]
            type_id = token_ids[tokens[row]]
            if type_id >= 0:
                if work[type_id] == 0:
                    types[n] = type_id
                    n += 1
                work[type_id] += values[row]
        total[latent] = mass
        for place in range(first, n):
            values[place] = work[types[place]]
            work[types[place]] = 0
        if n - first > most:
            n = first + _keep_greatest(types[first:n], values[first:n], most)
        kept[latent] = n - first
    return n


@kernel()
def _keep_greatest(types: Array, values: Array, most: int) -> int:
    """Move the at most ``most`` entries of greatest value to the front; return their number.

    Of equal values that do not all fit, none is kept: the result depends on no order.
    """
    bits = values.view(np.uint32)
    low, high = np.uint32(0), np.uint32(0x7F800000)
    # Bits of positive floats rise with them. The least bound that few enough values exceed:
    while low < high:
        middle = low + (high - low) // np.uint32(2)
        above = 0
        for bit in bits:
            above += bit > middle
        if above > most:
            low = middle + np.uint32(1)
        else:
            high = middle
    n = 0
    for place in range(len(bits)):
        if bits[place] > low:
            types[n], values[n] = types[place], values[place]
            n += 1
    return n
