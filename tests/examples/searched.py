"""An experiment in memory that can be searched, and the obvious answers."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from tests import reference

from feature_manifold.core.arrays import Array
from feature_manifold.examples.type_rows import rows_by_type, type_offsets
from feature_manifold.store.examples import N_BINS, ExampleSet
from feature_manifold.store.firings import FiringsByLatent, FiringsByToken
from feature_manifold.store.statistics import STATISTICS_DTYPE
from feature_manifold.store.token_table import TokenTable
from feature_manifold.store.tokenizer_file import TextEncoder
from feature_manifold.store.type_rows import TypeRows

SEARCH_TOKENS = 20


def type_rows_of(token_id: Array) -> TypeRows:
    offsets = type_offsets(token_id)
    blocks = rows_by_type(token_id, offsets)
    return TypeRows(offsets, np.concatenate([np.zeros(0, dtype=np.uint32), *blocks]))


def by_token_of(firings: FiringsByLatent) -> FiringsByToken:
    latents = np.repeat(np.arange(firings.n_latents), np.diff(firings.indptr))
    order = np.argsort(firings.tokens, kind="stable")
    counts = np.bincount(firings.tokens, minlength=firings.n_tokens)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    return FiringsByToken(indptr, latents[order].astype(np.uint32), firings.activations[order])


@dataclass
class Searched:
    """Has what ``latent_search.SearchSource`` asks for, made by numpy."""

    tokens: TokenTable
    vocabulary: list[str]
    by_latent: FiringsByLatent
    decoder: Array = field(default_factory=lambda: np.zeros((0, 1), dtype=np.float32))
    matrices: dict[str, sp.csr_matrix] = field(default_factory=dict)
    encoder: TextEncoder | None = None

    @cached_property
    def by_token(self) -> FiringsByToken:
        return by_token_of(self.by_latent)

    @cached_property
    def type_rows(self) -> TypeRows:
        return type_rows_of(self.tokens.token_id)

    @cached_property
    def statistics(self) -> Array:
        rows = np.zeros(self.by_latent.n_latents, dtype=STATISTICS_DTYPE)
        rows["label_token_id"] = -1
        for latent in np.flatnonzero(np.diff(self.by_latent.indptr)).tolist():
            tokens, activations = self.by_latent.latent(latent)
            rows[latent]["count"] = len(tokens)
            rows[latent]["mean"] = activations.astype(np.float64).mean()
            counts = reference.token_counts(tokens, self.tokens.token_id)
            if counts:
                rows[latent]["label_token_id"], rows[latent]["label_count"] = counts[0]
        return rows

    @cached_property
    def examples(self) -> ExampleSet:
        n_latents = self.by_latent.n_latents
        counts = [
            reference.token_counts(self.by_latent.latent(latent)[0], self.tokens.token_id)
            for latent in range(n_latents)
        ]
        kept = [found[:SEARCH_TOKENS] for found in counts]
        pairs = np.array([pair for found in kept for pair in found], dtype=np.int64).reshape(-1, 2)
        none = np.zeros(0, dtype=np.uint32)
        return ExampleSet(
            indptr=np.zeros(n_latents + 1, dtype=np.int64),
            start=none,
            stop=none,
            group=none,
            histogram_bins=np.zeros((n_latents, N_BINS + 1), dtype=np.float32),
            histogram_counts=np.zeros((n_latents, N_BINS), dtype=np.int64),
            token_indptr=np.concatenate([[0], np.cumsum(list(map(len, kept)))]),
            token_ids=pairs[:, 0],
            token_counts=pairs[:, 1],
        )

    def edge_kinds(self) -> list[str]:
        return list(self.matrices)

    def edges(self, kind: str) -> sp.csr_matrix:
        return self.matrices[kind]


def table_of(documents: list[list[int]], *, bos: int | None = None) -> TokenTable:
    """One window per document, a put-in BOS first if there is one."""
    head = [] if bos is None else [bos]
    rows = [[*head, *document] for document in documents]
    position = [list(range(-len(head), len(row) - len(head))) for row in rows]
    sizes = list(map(len, rows))
    return TokenTable(
        np.concatenate(rows).astype(np.int32),
        np.repeat(np.arange(len(rows)), sizes).astype(np.int32),
        np.concatenate(position).astype(np.int32),
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.zeros((0, 2), dtype=np.int64),
    )
