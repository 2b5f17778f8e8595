"""Concepts: those of the package, those of users, and their words in a vocabulary."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feature_manifold.core.concept_files import MAX_FILE_BYTES, load_concepts, make_concept
from feature_manifold.core.concept_sets import built_in_concepts, concept_named
from feature_manifold.core.concepts import ConceptMatch, match_concept
from feature_manifold.core.errors import ConfigError, InputError
from feature_manifold.core.vocabulary import VocabularyIndex

TIDES: dict[str, Any] = {"name": "tides", "kind": "circular", "words": ["low", "rising", "high"]}


def matched(name: str, texts: list[str], **options: Any) -> ConceptMatch:
    return match_concept(built_in_concepts()[name], VocabularyIndex(texts), **options)


def texts_of(match: ConceptMatch) -> list[tuple[int, str]]:
    return [(token.step, token.text) for token in match.tokens]


def test_the_sets_of_the_issue_are_there() -> None:
    names = "weekdays months hours years numbers ages letters colours compass-8 compass-16"
    assert set(names.split()) <= set(built_in_concepts())


@pytest.mark.parametrize("name", built_in_concepts())
def test_a_built_in_concept_is_consistent(name: str) -> None:
    concept = built_in_concepts()[name]
    spellings = [spelling for step in concept.words for spelling in step]
    assert concept.name == name
    assert concept.about.endswith(".")
    assert len(concept.values) == concept.n_steps >= 4
    assert len({one.casefold() for one in concept.labels}) == concept.n_steps
    assert concept.ambiguous <= set(spellings)
    assert (np.diff(concept.values) > 0).all()
    if concept.kind == "circular":
        assert concept.period is not None
        assert concept.values[-1] - concept.values[0] < concept.period
        assert np.ptp(concept.angles()) < 2 * np.pi
    else:
        assert concept.period is None
        with pytest.raises(ValueError, match="no angles"):
            concept.angles()


def test_no_word_of_a_built_in_concept_stands_for_two_steps() -> None:
    for concept in built_in_concepts().values():
        for step, spellings in enumerate(concept.words):
            others = {word for n, words in enumerate(concept.words) if n != step for word in words}
            assert not others & set(spellings), concept.name


def test_a_step_is_found_with_a_space_in_any_case_and_abbreviated_but_not_in_the_plural() -> None:
    texts = [" Monday", "monday", "MONDAY", " Mondays", " Thurs", " Thu.", "Day", " Monday,"]
    assert texts_of(matched("weekdays", texts)) == [
        (0, " Monday"),
        (0, "monday"),
        (0, "MONDAY"),
        (3, " Thurs"),
        (3, " Thu."),
    ]


def test_an_ambiguous_spelling_needs_its_case_is_flagged_and_can_be_left_out() -> None:
    texts = [" May", " may", " March", " march", " June", " second", " Second"]
    found = matched("months", texts)
    assert texts_of(found) == [(2, " March"), (4, " May"), (5, " June")]
    assert all(token.ambiguous for token in found.tokens)
    assert texts_of(matched("months", texts, ambiguous=False)) == []
    assert texts_of(matched("ordinals", texts)) == [(1, " second")]


def test_words_of_several_tokens_and_steps_without_any_are_said() -> None:
    found = matched("weekdays", [" Mon", "day", " Tuesday"])
    assert texts_of(found) == [(0, " Mon"), (1, " Tuesday")]
    assert "Monday" in found.unmatched
    assert found.missing_steps == (2, 3, 4, 5, 6)


def test_an_entry_that_spells_two_steps_counts_for_neither() -> None:
    concept = make_concept({**TIDES, "words": ["low", ["Low", "rising"], "high"]}, where="test")
    found = match_concept(concept, VocabularyIndex([" low", " rising", " high"]))
    assert texts_of(found) == [(1, " rising"), (2, " high")]
    assert found.contested == (" low",)


def test_steps_of_token_ids_are_looked_up() -> None:
    found = matched("weekdays", ["x", " Tuesday", " Monday", "y"])
    assert found.token_ids.tolist() == [1, 2]
    assert found.steps.tolist() == [1, 0]
    assert found.steps_of(np.array([2, 1, 0, 3, -1])).tolist() == [0, 1, -1, -1, -1]
    assert matched("weekdays", ["x"]).steps_of(np.array([0, 5])).tolist() == [-1, -1]


def test_an_unknown_concept_names_the_nearest() -> None:
    assert concept_named("months").n_steps == 12
    own = {"tides": make_concept(TIDES, where="test")}
    assert concept_named("tides", own).n_steps == 3
    with pytest.raises(InputError, match="No concept 'weekday'.*weekdays"):
        concept_named("weekday")


@pytest.mark.parametrize("suffix", [".yaml", ".json"])
def test_a_file_of_concepts_is_read(tmp_path: Path, suffix: str) -> None:
    entries = [
        {**TIDES, "period": 12.4, "values": [0, 3.1, 6.2], "ambiguous": ["low"], "about": "Hours."},
        {"name": "floors", "kind": "ordered", "words": [1, ["two", 2], "third"]},
    ]
    path = tmp_path / f"mine{suffix}"
    # JSON is YAML.
    path.write_text(json.dumps({"concepts": entries} if suffix == ".yaml" else entries))
    tides, floors = load_concepts(path).values()
    assert (tides.kind, tides.period, tides.values.tolist()) == ("circular", 12.4, [0, 3.1, 6.2])
    assert (tides.ambiguous, tides.about) == (frozenset({"low"}), "Hours.")
    assert (floors.words, floors.period) == ((("1",), ("two", "2"), ("third",)), None)
    assert floors.values.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "Tides"}, "name: lower-case"),
        ({"kind": "round"}, "'tides': kind: circular or ordered, not 'round'"),
        ({"words": ["low"]}, "words: a list of 2 to"),
        ({"words": "low"}, "words: a list"),
        ({"words": ["low", True]}, "step 1: True is no word; put it in quotes"),
        ({"words": ["low", []]}, "step 1: 1 to 50 spellings"),
        ({"words": ["low", " "]}, "step 1: a word of 1 to"),
        ({"words": ["low", ["a", ["b"]]]}, "step 1: list is no word"),
        ({"words": ["a"] * 1001}, "words: a list of 2 to 1,000"),
        ({"values": [0, 1]}, "values: a list of 3 finite numbers"),
        ({"values": [0, 1, float("nan")]}, "values: a list of 3 finite numbers"),
        ({"values": [0, 1, 10**400]}, "values: a list of 3 finite numbers"),
        ({"period": 0}, "period: a positive number"),
        ({"kind": "ordered", "period": 7}, "period: only a circular"),
        ({"ambiguous": ["deep"]}, "ambiguous: 'deep' is not among the words"),
        ({"about": 7}, "about: a text"),
        ({"colour": "red"}, "unknown key 'colour'; there are name, kind"),
    ],
)
def test_a_wrong_entry_is_named_with_its_file(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps([TIDES | {"name": "first"}, {**TIDES, **change}]))
    with pytest.raises(ConfigError, match=r"mine\.json, entry 1") as caught:
        load_concepts(path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"concepts: [", "Cannot read the concepts"),
        (b"\xff\xfe", "Cannot read the concepts"),
        (b"[" * 1000, "Cannot read the concepts"),
        (b"!!python/object/apply:os.system [ls]", "Cannot read the concepts"),
        (b"{}", "no list of concepts"),
        (b"- 7", "entry 0 is no mapping"),
        (b" " * (MAX_FILE_BYTES + 1), "at most 262,144"),
        (json.dumps([TIDES, TIDES]).encode(), "2 entries are named 'tides'"),
        (json.dumps([TIDES] * 201).encode(), "201 concepts; at most 200"),
        (b"&a [&b [&c [*a, *a], *a], *a]", "no mapping"),
    ],
)
def test_a_hostile_file_is_one_clear_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"mine\.yaml") as caught:
        load_concepts(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"No concept file .*none\.yaml"):
        load_concepts(tmp_path / "none.yaml")
