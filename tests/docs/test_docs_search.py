"""The page on search names every concept and every key of a concept file, and its examples work."""

from pathlib import Path

import yaml

from feature_manifold.core.concept_files import KEYS, load_concepts
from feature_manifold.core.concept_sets import built_in_concepts
from tests.docs.pages import ROOT, names_in, rows_of

PAGE = ROOT / "docs" / "search.md"


def test_every_built_in_concept_is_described_as_it_is() -> None:
    rows = rows_of(PAGE.read_text("utf-8"), "concept", "kind", "steps", "values")
    described = {names_in(row[0])[0]: (row[1], row[2], row[3]) for row in rows}
    assert described == {
        name: (
            "ordered" if concept.period is None else f"circular, {concept.period:g}",
            f"{concept.n_steps}: {concept.labels[0]} to {concept.labels[-1]}",
            concept.about,
        )
        for name, concept in built_in_concepts().items()
    }


def test_every_key_of_a_concept_file_is_described() -> None:
    rows = rows_of(PAGE.read_text("utf-8"), "key", "value")
    assert [names_in(row[0])[0] for row in rows] == list(KEYS)


def test_the_concept_file_shown_is_read(tmp_path: Path) -> None:
    shown = PAGE.read_text("utf-8").split("```yaml\n")[1].split("```")[0]
    path = tmp_path / "mine.yaml"
    path.write_text(shown)
    (concept,) = load_concepts(path).values()
    assert concept.n_steps == 4
    assert set(yaml.safe_load(shown)["concepts"][0]) == set(KEYS)
