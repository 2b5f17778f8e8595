"""An experiment in a notebook: latents, clouds, manifolds, searches, concepts."""

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from feature_manifold.core.arrays import Array, Int64Array
from feature_manifold.core.concept_files import load_concepts
from feature_manifold.core.concept_sets import built_in_concepts
from feature_manifold.core.concepts import Concept
from feature_manifold.core.errors import InputError
from feature_manifold.examples.labels import LabelHit
from feature_manifold.examples.latent_search import LatentSearch
from feature_manifold.examples.pages import token_text
from feature_manifold.examples.responsible import Order, ResponsibleLatent
from feature_manifold.examples.similar import SimilarLatent
from feature_manifold.geometry.cloud import build_cloud
from feature_manifold.geometry.clusters.core import count_types
from feature_manifold.notebook.cloud import Cloud
from feature_manifold.notebook.concept import ConceptLatents
from feature_manifold.notebook.manifolds import Manifold, manifold_table
from feature_manifold.notebook.tables import Table
from feature_manifold.store import experiment as stored


class Experiment(stored.Experiment):
    """One experiment: its artifacts as arrays, and everything that can be asked of them.

    Made by ``feature_manifold.open``. Artifacts are opened when first asked for.
    """

    @cached_property
    def search_index(self) -> LatentSearch:
        """What searches share."""
        return LatentSearch(self)

    @cached_property
    def type_counts(self) -> Int64Array:
        """Tokens of every vocabulary id, int64 (n_vocabulary,)."""
        return count_types(np.asarray(self.tokens.token_id), n_types=len(self.vocabulary))

    def texts(self, token_ids: Iterable[int] | Array) -> list[str]:
        """Return the text of vocabulary ids.

        Raises
        ------
        CorruptArtifactError
            If the vocabulary is too short.
        """
        ids = np.fromiter(token_ids, dtype=np.int64)
        types, place = np.unique(ids, return_inverse=True)
        texts = [token_text(self.vocabulary, token_id) for token_id in types.tolist()]
        return np.array(texts, dtype=object)[place].tolist() if texts else []

    def label(self, latent: int) -> str:
        """Return the text of the token on which a latent fires most.

        Raises
        ------
        InputError
            If there is no such latent.
        """
        self._check_latent(latent)
        return token_text(self.vocabulary, int(self.statistics["label_token_id"][latent]))

    def cloud(self, latents: int | Iterable[int] | Array) -> Cloud:
        """Return the joint reconstructions of some latents, exactly, on all their tokens.

        Parameters
        ----------
        latents
            Ids of the members, in any order; they count once.

        Raises
        ------
        InputError
            If there is none, one that does not exist, or something that is no whole number, such
            as a mask of all latents.
        """
        return Cloud(self, build_cloud(self.by_latent, self.decoder, _ids(latents)))

    def manifolds(self, *, by: str | None = None, limit: int | None = None) -> Table[Manifold]:
        """Return the clusters that ``fmi clusters`` found without labels, best first.

        Parameters
        ----------
        by
            A measure to order them by, highest first, p-values lowest first; the score if None.
        limit
            How many at most.

        Raises
        ------
        MissingArtifactError
            If they have not been searched for.
        InputError
            If there is no such measure.
        """
        return manifold_table(self, by=by, limit=limit)

    def search(
        self, text: str, *, order: Order = "lift", limit: int = 20
    ) -> Table[ResponsibleLatent]:
        """Return the latents that fire where a text stands in the corpus, on its last token.

        Parameters
        ----------
        text
            A token or several.
        order
            ``lift``: those that fire there more than elsewhere; ``share``: that fire mostly there;
            ``count``: that fire there most often.
        limit
            Latents returned at most.

        Raises
        ------
        InputError
            If the text is empty, or no tokens spell it.
        """
        found = self.search_index.by_text(text, order=order, limit=limit)
        return self._responsible(found.responsible.latents, f"latents on {text!r}")

    def responsible(
        self, tokens: Sequence[int] | Array, *, order: Order = "lift", limit: int = 20
    ) -> Table[ResponsibleLatent]:
        """Return the latents that fire at some token rows, for instance a part of a cloud.

        Raises
        ------
        InputError
            If there are no rows, or one that does not exist.
        """
        found = self.search_index.by_rows(tokens, order=order, limit=limit)
        return self._responsible(found.latents, f"latents at {found.n_occurrences:,} tokens")

    def search_labels(self, text: str, *, limit: int = 20) -> Table[LabelHit]:
        """Return the latents whose label, the token on which each fires most, holds a text.

        Raises
        ------
        InputError
            If the text is empty.
        """
        return Table(
            self.search_index.by_label(text, limit=limit),
            {
                "latent": lambda hit: hit.latent,
                "label": lambda hit: hit.label,
                "firings": lambda hit: hit.firings,
                "on the label": lambda hit: hit.label_firings / hit.firings,
            },
            title=f"latents labelled {text!r}",
        )

    def similar(
        self,
        latent: int,
        *,
        kind: Literal["merged", "cosine", "jaccard", "coactivation"] = "merged",
        limit: int = 20,
    ) -> Table[SimilarLatent]:
        """Return the latents joined to one by a kind of edge, or by all of them together.

        Raises
        ------
        InputError, MissingArtifactError
            If there is no such latent or kind, or there are no edges.
        """
        return Table(
            self.search_index.similar(latent, kind=kind, limit=limit),
            {
                "latent": lambda other: other.latent,
                "label": lambda other: self.label(other.latent),
                "cosine": lambda other: other.cosine,
                "jaccard": lambda other: other.weights.get("jaccard"),
                "coactivation": lambda other: other.weights.get("coactivation"),
            },
            title=f"latents similar to {latent}",
        )

    def concept(self, concept: Concept | str) -> ConceptLatents:
        """Return the latents whose activation lies mostly on the words of a concept.

        Parameters
        ----------
        concept
            A concept, or the name of one that comes with the package (``concepts()``).

        Raises
        ------
        InputError
            If there is no concept of that name, or no token spells one of its words.
        """
        found = self.search_index.concept_cluster(self.find_concept(concept))
        return ConceptLatents(self, found)

    def concepts(self, path: str | os.PathLike[str] | None = None) -> Table[Concept]:
        """Return the concepts that come with the package, or those of a file of one's own.

        Raises
        ------
        ConfigError
            If the file is not as docs/search.md says.
        """
        known = built_in_concepts() if path is None else load_concepts(Path(path))
        return Table(
            tuple(known.values()),
            {
                "name": lambda concept: concept.name,
                "kind": lambda concept: concept.kind,
                "steps": lambda concept: concept.n_steps,
                "about": lambda concept: concept.about,
            },
            title="concepts",
        )

    def find_concept(self, concept: Concept | str) -> Concept:
        """Return a concept by its name; one that is given comes back.

        Raises
        ------
        InputError
            If there is none of that name.
        """
        if isinstance(concept, Concept):
            return concept
        known = built_in_concepts()
        if concept not in known:
            raise InputError(f"No concept '{concept}'. There are: {', '.join(known)}.")
        return known[concept]

    def _responsible(
        self, found: Sequence[ResponsibleLatent], title: str
    ) -> Table[ResponsibleLatent]:
        return Table(
            found,
            {
                "latent": lambda hit: hit.latent,
                "label": lambda hit: self.label(hit.latent),
                "fires here": lambda hit: hit.share_here,
                "lift": lambda hit: hit.lift,
                "of its activation": lambda hit: hit.share_inside,
                "firings": lambda hit: hit.firings,
            },
            title=title,
        )

    def __repr__(self) -> str:
        # The index is what every experiment has.
        firings = self.by_latent
        return (
            f"Experiment '{self.id}': {firings.n_latents:,} latents, "
            f"{firings.n_tokens:,} tokens, {firings.n_firings:,} firings"
        )


def _ids(latents: int | Iterable[int] | Array) -> list[int]:
    """Return latent ids as they were given; a mask or fractions would be taken for others."""
    ids = np.asarray([latents] if isinstance(latents, int | np.integer) else list(latents))
    if ids.size and ids.dtype.kind not in "iu":
        raise InputError(
            f"Latents are given by their ids, whole numbers, and these are of type {ids.dtype}. "
            "Of a mask of all latents, take numpy.flatnonzero(mask)."
        )
    members: list[int] = ids.ravel().tolist()
    return members


def open_experiment(path: str | os.PathLike[str]) -> Experiment:
    """Open the experiment in a folder.

    Raises
    ------
    MissingArtifactError
        If the folder has no finished index.
    """
    return Experiment(stored.open_experiment(path).paths)
