"""Concepts: ordered or circular lists of words that a manifold may stand for.

A concept names its *steps* in order (Monday, Tuesday, …), each with its spellings and its place.
``concept_sets`` holds those that come with the package, ``concept_files`` reads those of users.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from feature_manifold.core.arrays import Array, Int64Array
from feature_manifold.core.vocabulary import VocabularyIndex

Kind = Literal["circular", "ordered"]


@dataclass(frozen=True, eq=False)
class Concept:
    """Words with places on a circle or a line.

    Attributes
    ----------
    name
        Short name, lower case.
    kind
        Whether the last step is followed by the first.
    words
        Spellings of each step, the usual one first.
    values
        float64 (n_steps,), place of each step, in units of the concept (hours, degrees, years).
    period
        What a full turn adds to a value; None if ordered.
    ambiguous
        Spellings that often mean something else ("May", "second"). They match only as written,
        upper and lower case told apart, and every match is flagged.
    about
        One line: what the values are.
    """

    name: str
    kind: Kind
    words: tuple[tuple[str, ...], ...]
    values: npt.NDArray[np.float64]
    period: float | None
    ambiguous: frozenset[str] = frozenset()
    about: str = ""

    @property
    def n_steps(self) -> int:
        """Number of steps."""
        return len(self.words)

    @property
    def labels(self) -> tuple[str, ...]:
        """The usual spelling of each step."""
        return tuple(spellings[0] for spellings in self.words)

    def angles(self) -> npt.NDArray[np.float64]:
        """Return the place of each step in radians, float64 (n_steps,), of a circular concept."""
        if self.period is None:
            raise ValueError(f"'{self.name}' is ordered: it has no angles")
        return 2 * np.pi * self.values / self.period


@dataclass(frozen=True)
class TokenMatch:
    """A vocabulary entry that spells a step.

    Attributes
    ----------
    step
        Index into ``Concept.words``.
    spelling
        The spelling that it matches.
    token_id, text
        The entry.
    ambiguous
        Whether the spelling often means something else.
    """

    step: int
    spelling: str
    token_id: int
    text: str
    ambiguous: bool


@dataclass(frozen=True, eq=False)
class ConceptMatch:
    """The vocabulary entries of a concept's steps.

    Attributes
    ----------
    concept
        The concept.
    tokens
        By step, then token id. An entry belongs to one step.
    unmatched
        Spellings that no single token spells: they take several tokens, or none holds them.
    contested
        Texts of the entries that spell more than one step, and count for none.
    """

    concept: Concept
    tokens: tuple[TokenMatch, ...]
    unmatched: tuple[str, ...]
    contested: tuple[str, ...]

    @cached_property
    def token_ids(self) -> Int64Array:
        """Matched token ids, rising, int64 (n,)."""
        return np.array(sorted(match.token_id for match in self.tokens), dtype=np.int64)

    @cached_property
    def steps(self) -> Int64Array:
        """The step of each of ``token_ids``, int64 (n,)."""
        by_id = sorted((match.token_id, match.step) for match in self.tokens)
        return np.array([step for _, step in by_id], dtype=np.int64)

    @property
    def missing_steps(self) -> tuple[int, ...]:
        """Steps that no single token spells."""
        found = {match.step for match in self.tokens}
        return tuple(step for step in range(self.concept.n_steps) if step not in found)

    def steps_of(self, token_ids: Array) -> Int64Array:
        """Return the step of each token id, int64 (n,); -1 where it is of none."""
        if not len(self.token_ids):
            return np.full(len(token_ids), -1, dtype=np.int64)
        place = np.searchsorted(self.token_ids, token_ids)
        place = np.minimum(place, len(self.token_ids) - 1)
        return np.where(self.token_ids[place] == token_ids, self.steps[place], -1)


def match_concept(
    concept: Concept, vocabulary: VocabularyIndex, *, ambiguous: bool = True
) -> ConceptMatch:
    """Find the vocabulary entries that spell the steps of a concept.

    An entry matches a spelling if it differs in nothing but outer white space and case; an
    ambiguous spelling must have the same case. Nothing is guessed: a plural or an abbreviation
    counts only where the concept lists it.

    Parameters
    ----------
    concept
        The concept.
    vocabulary
        Where to look.
    ambiguous
        Whether ambiguous spellings may match at all.
    """
    found: dict[int, list[TokenMatch]] = {}
    unmatched: list[str] = []
    for step, spellings in enumerate(concept.words):
        for spelling in spellings:
            flagged = spelling in concept.ambiguous
            if flagged and not ambiguous:
                continue
            matches = _matches(step, spelling, flagged, vocabulary)
            if not matches:
                unmatched.append(spelling)
            for match in matches:
                found.setdefault(match.token_id, []).append(match)
    steps = {token_id: {match.step for match in matches} for token_id, matches in found.items()}
    # Of several spellings of one step the first that matches says what it is.
    kept = [matches[0] for token_id, matches in found.items() if len(steps[token_id]) == 1]
    contested = [matches[0].text for token_id, matches in found.items() if len(steps[token_id]) > 1]
    return ConceptMatch(
        concept,
        tuple(sorted(kept, key=lambda match: (match.step, match.token_id))),
        tuple(unmatched),
        tuple(contested),
    )


def _matches(
    step: int, spelling: str, flagged: bool, vocabulary: VocabularyIndex
) -> list[TokenMatch]:
    alike = ((token_id, vocabulary.texts[token_id]) for token_id in vocabulary.alike(spelling))
    return [
        TokenMatch(step, spelling, token_id, text, flagged)
        for token_id, text in alike
        if not flagged or text.strip() == spelling
    ]


def by_name(concepts: Iterable[Concept]) -> Mapping[str, Concept]:
    """Return concepts by their names; of two that share a name the later one counts."""
    return {concept.name: concept for concept in concepts}
