"""Every search of one experiment, with what they share kept between them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import scipy.sparse as sp

from feature_manifold.core.arrays import Array
from feature_manifold.core.concepts import Concept, ConceptMatch, match_concept
from feature_manifold.core.errors import InputError, MissingArtifactError
from feature_manifold.core.vocabulary import VocabularyIndex
from feature_manifold.examples.concept_cluster import (
    CORE_SHARE,
    ConceptCluster,
    Sources,
    concept_cluster,
)
from feature_manifold.examples.contexts import corpus_tokens
from feature_manifold.examples.frequent_tokens import FrequentTokens
from feature_manifold.examples.labels import LabelHit, LabelSearch
from feature_manifold.examples.occurrences import (
    Occurrences,
    checked_rows,
    distinct_rows,
    rows_of_sequence,
    rows_of_token_ids,
)
from feature_manifold.examples.pages import PageSource
from feature_manifold.examples.passages import Passage, passages_of
from feature_manifold.examples.responsible import (
    MIN_FIRINGS,
    Order,
    Responsible,
    Totals,
    responsible_latents,
    row_cap,
    totals_of,
)
from feature_manifold.examples.similar import MERGED, SimilarLatent, similar_latents
from feature_manifold.examples.spelling import Spelling, spell
from feature_manifold.store.firings import FiringsByToken
from feature_manifold.store.tokenizer_file import TextEncoder
from feature_manifold.store.type_rows import TypeRows

MAX_GIVEN_ROWS = 1_000_000
"""Token rows that may be given at a time."""


class SearchSource(PageSource, Protocol):
    """What is searched; ``store.experiment.Experiment`` has it."""

    @property
    def by_token(self) -> FiringsByToken:
        """Firings by token."""

    @property
    def type_rows(self) -> TypeRows:
        """Token rows by token id."""

    @property
    def encoder(self) -> TextEncoder | None:
        """What cuts text into token ids; None if there is none."""

    @property
    def decoder(self) -> Array:
        """float32 (n_latents, d_model)."""

    def edge_kinds(self) -> list[str]:
        """Return the kinds of edges that exist."""

    def edges(self, kind: str) -> sp.csr_matrix:
        """Return symmetric weights, (n_latents, n_latents)."""


@dataclass(frozen=True, eq=False)
class TextAnswer:
    """Latents that fire where a text stands.

    Attributes
    ----------
    spelling
        The sequences of token ids that were looked for.
    tokens
        Their texts.
    occurrences
        Last row of each place where the text stands: there the model has read all of it.
    responsible
        The latents.
    """

    spelling: Spelling
    tokens: tuple[tuple[str, ...], ...]
    occurrences: Occurrences
    responsible: Responsible


class LatentSearch:
    """Search the latents, tokens and text of one experiment.

    Made at once; what the searches share (0.5 s at 262,144 entries, and the edges) is read when
    first needed and kept. Safe to use from several threads.

    Parameters
    ----------
    source
        An open experiment.
    edges
        Where to get edges of a kind, if they are kept elsewhere.
    """

    def __init__(
        self, source: SearchSource, *, edges: Callable[[str], sp.csr_matrix] | None = None
    ) -> None:
        self._source = source
        self._edges = edges or self._kept_edges
        self._matrices: dict[str, sp.csr_matrix] = {}

    @cached_property
    def vocabulary(self) -> VocabularyIndex:
        """The vocabulary by text."""
        return VocabularyIndex(self._source.vocabulary)

    @cached_property
    def totals(self) -> Totals:
        """Firings and activation of every latent."""
        n_tokens = corpus_tokens(self._source.tokens)
        return totals_of(self._source.statistics, n_tokens=n_tokens)

    def by_token_ids(
        self, token_ids: Sequence[int], *, order: Order = "lift", limit: int = 50
    ) -> Responsible:
        """Return the latents that fire on some token ids; see ``responsible_latents``."""
        found = self.occurrences(token_ids)
        return self._responsible(found, order, limit)

    def by_text(self, text: str, *, order: Order = "lift", limit: int = 50) -> TextAnswer:
        """Return the latents that fire on the last token of a text; see ``spelling.spell``."""
        spelling = spell(text, self.vocabulary, self._source.encoder)
        found = self._occurrences_of(spelling)
        texts = self._source.vocabulary
        tokens = tuple(tuple(texts[one] for one in ids) for ids in spelling.sequences)
        return TextAnswer(spelling, tokens, found, self._responsible(found, order, limit))

    def by_rows(
        self, rows: Sequence[int] | Array, *, order: Order = "lift", limit: int = 50
    ) -> Responsible:
        """Return the latents that fire at some token rows, for instance a region of a cloud."""
        n_tokens = self._source.tokens.n_tokens
        distinct = distinct_rows(checked_rows(rows, n_tokens=n_tokens, most=MAX_GIVEN_ROWS))
        return self._responsible(Occurrences(distinct, len(distinct), True), order, limit)

    def by_label(self, text: str, *, limit: int = 50) -> tuple[LabelHit, ...]:
        """Return the latents whose label holds a text; see ``labels.LabelSearch.find``."""
        return self._labels.find(text, limit=limit)

    def similar(
        self, latent: int, *, kind: str = MERGED, limit: int = 50
    ) -> tuple[SimilarLatent, ...]:
        """Return the latents joined to one by a kind of edge, or by all (``merged``).

        Raises
        ------
        InputError, MissingArtifactError
            If there is no such latent or kind, or its edges are not made.
        """
        # Without any edges the error of those by cosine says how to make them.
        kinds = self._source.edge_kinds() or ["cosine"]
        edges = {name: self._edges(name) for name in (kinds if kind == MERGED else [kind])}
        return similar_latents(edges, latent, decoder=self._decoder, limit=limit)

    def match(self, concept: Concept, *, ambiguous: bool = True) -> ConceptMatch:
        """Return the vocabulary entries of a concept; see ``concepts.match_concept``."""
        return match_concept(concept, self.vocabulary, ambiguous=ambiguous)

    def concept_cluster(
        self,
        concept: Concept,
        *,
        ambiguous: bool = True,
        share: float = CORE_SHARE,
        min_firings: int = MIN_FIRINGS,
        limit: int = 200,
    ) -> ConceptCluster:
        """Return the latents that are about a concept; see ``concept_cluster``."""
        source = self._source
        return concept_cluster(
            Sources(
                source.type_rows,
                source.tokens.token_id,
                source.by_token,
                source.by_latent,
                self._frequent,
                self.totals,
            ),
            self.match(concept, ambiguous=ambiguous),
            share=share,
            min_firings=min_firings,
            limit=limit,
        )

    def occurrences(self, token_ids: Sequence[int], *, most: int | None = None) -> Occurrences:
        """Return rows of some token ids: at most ``most``, by default as many as a search reads."""
        most = row_cap(self.totals) if most is None else most
        if not 1 <= most <= MAX_GIVEN_ROWS:
            raise InputError(f"{most:,} rows were asked for: 1 to {MAX_GIVEN_ROWS:,} can be.")
        return rows_of_token_ids(self._source.type_rows, token_ids, most=most)

    def passages(self, rows: Sequence[int] | Array, *, context: int = 10) -> tuple[Passage, ...]:
        """Return the text round some token rows; see ``passages.passages_of``."""
        return passages_of(self._source.tokens, self._source.vocabulary, rows, context=context)

    def _occurrences_of(self, spelling: Spelling) -> Occurrences:
        sequences, type_rows = spelling.sequences, self._source.type_rows
        single = [ids[0] for ids in sequences if len(ids) == 1]
        if len(single) == len(sequences):
            return self.occurrences(single)
        found = [rows_of_sequence(type_rows, self._source.tokens, ids) for ids in sequences]
        rows = distinct_rows(np.concatenate([one.rows for one in found]))
        exact = all(one.is_exact for one in found)
        n_occurrences = len(rows) if exact else sum(one.n_occurrences for one in found)
        return Occurrences(rows, n_occurrences, exact)

    def _responsible(self, found: Occurrences, order: Order, limit: int) -> Responsible:
        return responsible_latents(
            self._source.by_token, self.totals, found, order=order, limit=limit
        )

    @cached_property
    def _frequent(self) -> FrequentTokens:
        return FrequentTokens(self._source.examples)

    @cached_property
    def _decoder(self) -> Array | None:
        try:
            return self._source.decoder
        except MissingArtifactError:
            return None

    @cached_property
    def _labels(self) -> LabelSearch:
        return LabelSearch(self._source.statistics, self._source.vocabulary)

    def _kept_edges(self, kind: str) -> sp.csr_matrix:
        if kind not in self._matrices:
            self._matrices[kind] = self._source.edges(kind)
        return self._matrices[kind]
