"""The concepts of the package know the words of the shipped model's groups, in their order."""

import numpy as np
import pytest

from feature_manifold.core.concept_sets import concept_named
from feature_manifold.core.concepts import match_concept
from feature_manifold.core.vocabulary import VocabularyIndex
from feature_manifold.demo import groups
from feature_manifold.demo.groups import Group
from feature_manifold.demo.text import vocabulary
from feature_manifold.demo.tokenizer import SPACE, token_of

INDEX = VocabularyIndex([token_of(word).replace(SPACE, " ") for word in vocabulary()])

CONCEPTS = [
    (groups.WEEKDAYS, "weekdays"),
    (groups.MONTHS, "months"),
    (groups.NOTES, "solfege"),
    (groups.CLOCK, "hours"),
    (groups.COMPASS, "compass-16"),
    (groups.HOURS, "hours-12"),
    (groups.HUES, "colours"),
    (groups.NUMBERS, "numbers"),
    (groups.ORDINALS, "ordinals"),
    (groups.YEARS, "years"),
]


@pytest.mark.parametrize(("group", "name"), CONCEPTS, ids=[name for _, name in CONCEPTS])
def test_every_word_of_a_group_is_a_step_at_its_place(group: Group, name: str) -> None:
    concept = concept_named(name)
    match = match_concept(concept, INDEX)
    ids = np.array([INDEX.equal(f" {word}")[0] for word in group.words])
    steps = match.steps_of(ids)
    assert (steps >= 0).all()
    assert not match.contested
    if name == "colours":
        # Hues are named at even steps in the language, at those of the colour wheel here.
        assert (np.diff(steps) > 0).all()
    elif concept.kind == "circular":
        turns = (concept.angles()[steps] - group.coordinates[:, 0]) / (2 * np.pi)
        np.testing.assert_allclose(turns, np.round(turns), atol=1e-9)
    else:
        assert (np.diff(concept.values[steps]) == 1).all()


def test_the_eight_winds_are_among_the_sixteen() -> None:
    eight, sixteen = concept_named("compass-8"), concept_named("compass-16")
    assert eight.words == sixteen.words[::2]
    assert eight.values.tolist() == sixteen.values[::2].tolist()
