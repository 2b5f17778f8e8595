"""The cloud of a cluster: exact joint reconstructions of its latents, in k dimensions.

The reconstruction of a token is r_t = sum over members i of a_i(t) d_i, without decoder bias, for
tokens on which at least one member fires. All r_t lie in the span of the k decoder rows. With
D = R Q, Q orthonormal, the points a_t R have the same distances, PCA and measures as the
d_model-wide ones, which are never formed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from feature_manifold.core.arrays import Array, Float64Array, Int64Array
from feature_manifold.core.errors import CorruptArtifactError, InputError
from feature_manifold.geometry.moments import Moments, moments_of
from feature_manifold.store.firing_blocks import read_block
from feature_manifold.store.firings import FiringsByLatent

BLOCK_POINTS = 1 << 16
"""Points formed at a time where not all are needed at once: 10 MB of them for 20 members."""


@dataclass(frozen=True)
class Cloud:
    """Reconstructions of a cluster.

    Attributes
    ----------
    latents
        int64 (k,), members, ascending.
    tokens
        uint32 (n,), token-table rows with at least one member firing, ascending.
    activations
        float32 (n, k), CSR, of the members at the tokens; columns rise within a row.
    coordinates
        float64 (k, r), decoder rows in the basis; r = min(k, d_model).
    basis
        float64 (r, d_model), orthonormal rows.
    known_moments
        Moments of the activations, where an edit has found them already.
    """

    latents: Int64Array
    tokens: Array
    activations: sp.csr_matrix
    coordinates: Float64Array
    basis: Float64Array
    known_moments: Moments | None = None

    @property
    def n_points(self) -> int:
        """Number of points."""
        return len(self.tokens)

    @property
    def n_active(self) -> Array:
        """Number of members that fire at each point, int (n,), at least 1."""
        return np.diff(self.activations.indptr)

    @cached_property
    def moments(self) -> Moments:
        """Moments of the activations; equal to the bit however the cloud came about."""
        return self.known_moments or moments_of(self.activations)

    def points(self) -> Float64Array:
        """Return the reconstructions in the basis, float64 (n, r)."""
        return np.asarray(self.activations @ self.coordinates)

    def norms(self) -> Float64Array:
        """Return the length of every reconstruction, float64 (n,)."""
        found = np.empty(self.n_points, dtype=np.float64)
        for span in self.blocks():
            found[span] = np.linalg.norm(self.activations[span] @ self.coordinates, axis=1)
        return found

    def unit_scales(self) -> Float64Array:
        """Return what gives each point length one, float64 (n,): 0 for points of length zero."""
        norms = self.norms()
        return np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)

    def blocks(self) -> Iterator[slice]:
        """Yield rows in blocks: together all, in order."""
        for start in range(0, self.n_points, BLOCK_POINTS):
            yield slice(start, min(start + BLOCK_POINTS, self.n_points))

    def kept(self, *, min_norm: float = 0.0, min_active: int = 1) -> Array:
        """Return which points are at least so long and have so many members firing, bool (n,)."""
        kept = self.n_active >= min_active
        return kept & (self.norms() >= min_norm) if min_norm > 0 else kept

    def selected(self, rows: Array) -> "Cloud":
        """Return the cloud of some of the points, in the same basis.

        Parameters
        ----------
        rows
            bool (n,), or int (m,), ascending.
        """
        return Cloud(
            self.latents,
            self.tokens[rows],
            self.activations[rows],
            self.coordinates,
            self.basis,
        )

    def add(self, latent: int, firings: FiringsByLatent, decoder: Array) -> "Cloud":
        """Return the cloud with a latent more, the same to the bit as if built anew.

        Raises
        ------
        InputError, CorruptArtifactError
            As for ``build_cloud``.
        """
        if latent in self.latents:
            return self
        at = int(np.searchsorted(self.latents, latent))
        members = np.insert(self.latents, at, latent)
        _check_members(members, firings, decoder)
        coordinates, basis = _frame(members, decoder)
        tokens, values = _firings_of(firings, latent)
        union, activations = _with_column(self.tokens, self.activations, at, tokens, values)
        # All points at which the latent fires, so its row of products is whole.
        own = moments_of(activations[np.searchsorted(union, tokens)])
        moments = self.moments.inserted(
            at, n_points=len(union), total=float(own.sums[at]), products=own.products[at]
        )
        return Cloud(members, union, activations, coordinates, basis, moments)

    def remove(self, latent: int, decoder: Array) -> "Cloud":
        """Return the cloud without one of its members, the same to the bit as if built anew.

        Raises
        ------
        InputError
            If the latent is no member, or the last one.
        """
        if latent not in self.latents:
            raise InputError(f"Latent {latent} is not in the cluster.")
        if len(self.latents) == 1:
            raise InputError(f"Latent {latent} is the only one: a cluster needs at least one.")
        at = int(np.searchsorted(self.latents, latent))
        members = np.delete(self.latents, at)
        coordinates, basis = _frame(members, decoder)
        rows, activations = _without_column(self.activations, at)
        moments = self.moments.deleted(at, n_points=int(rows.sum()))
        return Cloud(members, self.tokens[rows], activations, coordinates, basis, moments)


def build_cloud(firings: FiringsByLatent, decoder: Array, latents: Sequence[int]) -> Cloud:
    """Build the cloud of a cluster.

    Parameters
    ----------
    firings
        By latent; may be memory-mapped.
    decoder
        float32 (n_latents, d_model); may be memory-mapped.
    latents
        Members in any order; they count once.

    Raises
    ------
    InputError
        If there is no member, or one that does not exist.
    CorruptArtifactError
        If tokens fall within a member or lie beyond the token table, an activation is not finite
        and positive, or the decoder has another number of latents or is not finite.
    """
    members = np.unique(np.asarray(latents, dtype=np.int64))
    _check_members(members, firings, decoder)
    coordinates, basis = _frame(members, decoder)
    parts = [_firings_of(firings, latent) for latent in members.tolist()]
    tokens, activations = _merged(parts)
    return Cloud(members, tokens, activations, coordinates, basis)


def _check_members(members: Int64Array, firings: FiringsByLatent, decoder: Array) -> None:
    if not len(members):
        raise InputError("A cluster needs at least one latent.")
    for latent in members[[0, -1]].tolist():
        if not 0 <= latent < firings.n_latents:
            raise InputError(f"No latent {latent}: there are 0 to {firings.n_latents - 1}.")
    if len(decoder) != firings.n_latents:
        raise CorruptArtifactError(
            f"The decoder has {len(decoder):,} latents and the index {firings.n_latents:,}: they "
            "are of two SAEs. Make the experiment again with: fmi run CONFIG.yaml --force"
        )


def _frame(members: Int64Array, decoder: Array) -> tuple[Float64Array, Float64Array]:
    """Return the decoder rows in an orthonormal basis of their span, and the basis."""
    rows = np.asarray(decoder[members], dtype=np.float64)
    wrong = ~np.isfinite(rows).all(axis=1)
    if wrong.any():
        raise CorruptArtifactError(
            f"decoder.npy: the direction of latent {members[wrong][0]} is not finite. Get the SAE "
            "again, and run the harvest with: fmi run CONFIG.yaml --only harvest --force"
        )
    basis, upper = np.linalg.qr(rows.T)
    return np.ascontiguousarray(upper.T), np.ascontiguousarray(basis.T)


def _firings_of(firings: FiringsByLatent, latent: int) -> tuple[Array, Array]:
    """Return tokens, uint32 (n,), and activations, float32 (n,), of one latent, checked."""
    block = read_block(firings, latent, latent + 1)
    return block.tokens, block.activations.astype(np.float32)


def _merged(parts: Sequence[tuple[Array, Array]]) -> tuple[Array, sp.csr_matrix]:
    """Merge the firings of the members by token."""
    tokens = np.concatenate([part[0] for part in parts])
    values = np.concatenate([part[1] for part in parts])
    columns = np.repeat(np.arange(len(parts), dtype=np.int32), [len(part[0]) for part in parts])
    # Token and place in one number: twice as fast as a stable sort of the tokens.
    places = tokens.astype(np.uint64) << np.uint64(32)
    places |= np.arange(len(tokens), dtype=np.uint64)
    places.sort()
    tokens = (places >> np.uint64(32)).astype(np.uint32)
    order = places.astype(np.uint32)
    is_first = np.ones(len(tokens), dtype=bool)
    is_first[1:] = tokens[1:] != tokens[:-1]
    starts = np.flatnonzero(is_first)
    indptr = np.append(starts, len(tokens))
    return tokens[starts], _csr(values[order], columns[order], indptr, len(parts))


def _csr(values: Array, columns: Array, indptr: Array, k: int) -> sp.csr_matrix:
    """Make the matrix of activations; offsets are as narrow as they can be."""
    narrow = np.int32 if len(values) <= np.iinfo(np.int32).max else np.int64
    parts = (values, columns.astype(narrow, copy=False), indptr.astype(narrow, copy=False))
    return sp.csr_matrix(parts, shape=(len(indptr) - 1, k))


def _with_column(
    tokens: Array, activations: sp.csr_matrix, at: int, added: Array, values: Array
) -> tuple[Array, sp.csr_matrix]:
    """Put a column of firings, at the tokens ``added``, into a matrix, and rows for new tokens."""
    indptr = activations.indptr
    before = np.searchsorted(tokens, added)
    is_new = np.ones(len(added), dtype=bool)
    inside = before < len(tokens)
    is_new[inside] = tokens[before[inside]] != added[inside]
    rows = before + np.cumsum(is_new) - is_new
    union = _spliced(tokens, added[is_new], rows[is_new])
    counts = _spliced(np.diff(indptr), 0, rows[is_new]).astype(np.int64)
    counts[rows] += 1
    # The new entry comes after those of lower columns in its row.
    lower = np.append(0, np.cumsum(activations.indices < at))
    places = indptr[before] + np.where(
        is_new, 0, lower[indptr[before + ~is_new]] - lower[indptr[before]]
    )
    places += np.arange(len(added))
    columns = activations.indices + (activations.indices >= at)
    columns = _spliced(columns, at, places)
    grown = _spliced(activations.data, values, places)
    return union, _csr(grown, columns, np.append(0, np.cumsum(counts)), activations.shape[1] + 1)


def _spliced(old: Array, new: Array | int, places: Array) -> Array:
    """Return ``old`` with ``new`` put in between, so that it comes to lie in ``places``."""
    is_new = np.zeros(len(old) + len(places), dtype=bool)
    is_new[places] = True
    both = np.empty(len(is_new), dtype=old.dtype)
    both[is_new] = new
    both[~is_new] = old
    return both


def _without_column(activations: sp.csr_matrix, at: int) -> tuple[Array, sp.csr_matrix]:
    """Take a column out of a matrix, and the rows that are then empty; return which rows stay."""
    stays = activations.indices != at
    running = np.append(0, np.cumsum(stays))
    counts = np.diff(running[activations.indptr])
    rows = counts > 0
    columns = activations.indices[stays]
    columns = columns - (columns > at)
    indptr = np.append(0, np.cumsum(counts[rows]))
    return rows, _csr(activations.data[stays], columns, indptr, activations.shape[1] - 1)
