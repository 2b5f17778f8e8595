"""Kinds of edges between latents. A new kind is one function and one line of EDGE_KINDS."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from feature_manifold.core.arrays import Float32Array
from feature_manifold.core.errors import CorruptArtifactError, InputError
from feature_manifold.core.progress import Progress, SilentProgress
from feature_manifold.geometry.backends import Backend, choose_backend
from feature_manifold.geometry.combined import combined_neighbours
from feature_manifold.geometry.cosine import cosine_neighbours
from feature_manifold.geometry.neighbours import Neighbours, symmetric_edges
from feature_manifold.geometry.overlap import Overlap, overlap_neighbours
from feature_manifold.store.firings import FiringsByLatent, FiringsByToken


@dataclass(frozen=True)
class LatentPairs:
    """What edges and layouts are made of, each part computed once, when first asked for.

    Attributes
    ----------
    decoder
        float32 (n_latents, d_model). May be memory-mapped.
    by_latent, by_token
        The same firings, both ways. May be memory-mapped.
    top_k
        Edges kept per latent and kind, before symmetrising.
    n_neighbors
        Neighbours that a layout looks at, the latent itself included, as UMAP counts.
    n_workers
        Threads; no result depends on it.
    device
        Where to compute, as the config names it; no result depends on it either.
    """

    decoder: Float32Array
    by_latent: FiringsByLatent
    by_token: FiringsByToken
    top_k: int = 100
    n_neighbors: int = 15
    n_workers: int = 1
    device: str = "cpu"
    progress: Progress = field(default_factory=SilentProgress)

    def __post_init__(self) -> None:
        """Check that decoder and firings are of the same latents.

        Raises
        ------
        CorruptArtifactError, InputError
            If they are not, or an option is out of bounds.
        """
        if len(self.decoder) != self.by_latent.n_latents:
            raise CorruptArtifactError(
                f"decoder.npy has {len(self.decoder):,} rows and the index "
                f"{self.by_latent.n_latents:,} latents. Make the index again."
            )
        if self.top_k < 1 or self.n_neighbors < 2:
            raise InputError("edges-top-k must be at least 1 and umap-neighbors at least 2.")

    @cached_property
    def _backend(self) -> Backend:
        n_latents, d_model = self.decoder.shape
        return choose_backend(
            self.device, n_latents=n_latents, d_model=d_model, n_workers=self.n_workers
        )

    @cached_property
    def cosine(self) -> Neighbours:
        """Neighbours by direction, enough for edges and layouts."""
        return cosine_neighbours(
            self.decoder,
            k=self._k,
            n_workers=self.n_workers,
            make_products=self._backend.products,
            progress=self.progress,
        )

    @cached_property
    def overlap(self) -> Overlap:
        """Neighbours by co-firing: one pass serves every kind of edge that needs it."""
        return overlap_neighbours(
            self.by_latent,
            self.by_token,
            k=self._k,
            pairs=self.cosine.ids,
            n_workers=self.n_workers,
            make_cofirings=self._backend.cofirings,
            progress=self.progress,
        )

    @cached_property
    def combined(self) -> Neighbours:
        """Neighbours by 0.5 cosine + 0.5 overlap coefficient."""
        return combined_neighbours(
            self.decoder,
            np.diff(self.by_latent.indptr),
            self.by_latent.n_tokens,
            cosine=self.cosine,
            overlap=self.overlap,
            k=self._k,
            n_workers=self.n_workers,
            progress=self.progress,
        )

    @property
    def _k(self) -> int:
        return max(1, min(max(self.top_k, self.n_neighbors), len(self.decoder) - 1))


def cosine_edges(pairs: LatentPairs) -> sp.csr_matrix:
    """Join each latent to those whose decoder rows point most nearly the same way.

    Returns
    -------
    scipy.sparse.csr_matrix
        float32 (n_latents, n_latents), symmetric, cosines in (0, 1]: latents at a right angle or
        more are not joined.
    """
    return symmetric_edges(pairs.cosine.first(pairs.top_k))


def jaccard_edges(pairs: LatentPairs) -> sp.csr_matrix:
    """Join each latent to those that fire on the same tokens: |A ∩ B| / |A ∪ B|.

    Returns
    -------
    scipy.sparse.csr_matrix
        float32 (n_latents, n_latents), symmetric, weights in (0, 1].

    References
    ----------
    Jaccard (1912), The distribution of the flora in the alpine zone.
    """
    return symmetric_edges(pairs.overlap.jaccard.first(pairs.top_k))


def coactivation_edges(pairs: LatentPairs) -> sp.csr_matrix:
    """Join each latent to those with which it fires most often: |A ∩ B|.

    Returns
    -------
    scipy.sparse.csr_matrix
        (n_latents, n_latents), symmetric, whole numbers: float32, or float64 if one is above
        2**24.
    """
    return symmetric_edges(pairs.overlap.counts.first(pairs.top_k))


EDGE_KINDS: Mapping[str, Callable[[LatentPairs], sp.csr_matrix]] = {
    "cosine": cosine_edges,
    "jaccard": jaccard_edges,
    "coactivation": coactivation_edges,
}
"""Name of each kind, as in ``store.layout.EDGES``, and what makes it."""
