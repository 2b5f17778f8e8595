import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from feature_manifold.core.concepts import Concept
from feature_manifold.core.errors import ConfigError, InputError
from feature_manifold.notebook.experiment import Experiment
from feature_manifold.notebook.tables import SHOWN_ROWS, Table, shown
from feature_manifold.store import experiment as stored
from tests.notebook.planted import DAYS, HOSTILE, MONTHS, RARE, SILENT, WEEKDAYS


def test_an_experiment_says_what_it_is(experiment: Experiment) -> None:
    assert isinstance(experiment, stored.Experiment)
    assert repr(experiment).startswith("Experiment 'almanac_layer0_2k_small': 22 latents, 3,360 t")
    assert experiment.label(WEEKDAYS[0]).strip() in DAYS
    with pytest.raises(InputError, match="No latent 99"):
        experiment.label(99)


def test_opening_and_asking_needs_no_matplotlib_torch_or_server(almanac: Path) -> None:
    code = (
        "import sys, feature_manifold as fm\n"
        "assert 'numpy' not in sys.modules\n"
        f"experiment = fm.open({str(almanac)!r})\n"
        "experiment.search(' Monday')._repr_html_(), experiment.cloud([1, 2]).pca(2).points\n"
        "heavy = {'matplotlib', 'torch', 'fastapi', 'sklearn', 'ripser'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_manifolds_come_best_first_and_by_any_measure(experiment: Experiment) -> None:
    manifolds = experiment.manifolds()
    assert [manifold.rank for manifold in manifolds] == [0, 1, 2]
    assert [manifold.score for manifold in manifolds] == [2.0, 1.5, 0.1]
    assert manifolds[0].latents.tolist() == list(MONTHS)
    assert [text.strip() for text in manifolds[1].texts()] == list(DAYS)
    assert manifolds[1].cloud().latents.tolist() == list(WEEKDAYS)
    by_ring = experiment.manifolds(by="ring")
    assert [manifold.rank for manifold in by_ring] == [1, 0, 2]
    assert [manifold.rank for manifold in experiment.manifolds(by="p")] == [0, 1, 2]
    assert len(experiment.manifolds(limit=2)) == 2
    with pytest.raises(InputError, match="No measure 'beauty'. There are: score, ring, p"):
        experiment.manifolds(by="beauty")


def test_a_manifold_is_drawn_under_its_rank(experiment: Experiment) -> None:
    assert experiment.manifolds()[1].plot().get_suptitle() == "manifold 1: 9 latents"


def test_hostile_tokens_are_shown_as_text(experiment: Experiment, tmp_path: Path) -> None:
    hostile = experiment.manifolds()[2]
    assert hostile.latents.tolist() == [*HOSTILE, RARE]
    for view in (experiment.manifolds(), experiment.cloud(HOSTILE).passages(5)):
        page = view._repr_html_()
        assert "<script" not in page
        assert "<img" not in page
        assert not any(sign in page for sign in "\u202e\x00")
    assert "&lt;script&gt;" in experiment.manifolds()._repr_html_()
    hostile.plot().savefig(tmp_path / "hostile.svg")
    assert b"<script" not in (tmp_path / "hostile.svg").read_bytes()


def test_a_concept_finds_its_latents(experiment: Experiment) -> None:
    found = experiment.concept("weekdays")
    assert sorted(found.latents.tolist()) == list(WEEKDAYS)
    assert [step.label for step in found.steps()] == list(DAYS)
    assert all(row["a member fires"] == 1 for row in found.steps().to_rows())
    assert {row["peak"] for row in found.members().to_rows()} <= set(DAYS)
    assert found.cloud().concept is found.concept
    assert "weekdays" in repr(found)
    assert found._repr_html_().count("<table>") == 2
    assert found.plot().get_suptitle() == "weekdays: 9 latents"
    with pytest.raises(InputError, match="No concept 'moods'. There are: weekdays, "):
        experiment.concept("moods")
    with pytest.raises(InputError, match="No single token"):
        experiment.concept("zodiac")


def test_a_concept_of_ones_own_is_read_and_used(experiment: Experiment, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("- name: summer\n  kind: ordered\n  words: [June, July, August]\n")
    (summer,) = experiment.concepts(path)
    assert isinstance(summer, Concept)
    drawing = experiment.cloud(MONTHS).plot([(0, 1)], concept=summer)
    assert {text.get_text() for text in drawing.axes[0].texts} == {"June", "July", "August"}
    with pytest.raises(ConfigError, match="No concept file"):
        experiment.concepts(tmp_path / "none.yaml")
    assert {"weekdays", "months"} <= {concept.name for concept in experiment.concepts()}


def test_searches_find_latents(experiment: Experiment) -> None:
    hits = experiment.search(" March", limit=5)
    assert {hit.latent for hit in hits} <= set(MONTHS)
    assert hits[0].lift > 1
    assert hits.to_rows()[0]["label"] == experiment.label(hits[0].latent)
    cloud = experiment.cloud(WEEKDAYS)
    assert {hit.latent for hit in experiment.responsible(cloud.tokens)} == set(WEEKDAYS)
    labelled = experiment.search_labels("day")
    assert {hit.latent for hit in labelled} <= set(WEEKDAYS)
    assert experiment.similar(MONTHS[0], limit=3)[0].latent in MONTHS
    assert experiment.similar(SILENT, kind="jaccard").to_rows() == []


def numbers(n: int) -> Table[int]:
    return Table(range(n), {"n": lambda n: n, "half": lambda n: n / 2}, title="numbers")


def test_a_table_is_a_sequence_of_its_results() -> None:
    table = numbers(30)
    assert (len(table), table[3], list(table[:2]), table[-1]) == (30, 3, [0, 1], 29)
    assert isinstance(table[:2], Table)
    assert table[1:2].to_rows() == [{"n": 1, "half": 0.5}]
    assert table.columns == ("n", "half")


def test_a_long_table_shows_its_beginning_and_says_so() -> None:
    text = repr(numbers(1000))
    assert text.splitlines()[0] == f"numbers: 1,000, the first {SHOWN_ROWS}"
    assert len(text.splitlines()) == 2 + SHOWN_ROWS
    assert numbers(1000)._repr_html_().count("<tr>") == 1 + SHOWN_ROWS
    assert repr(numbers(0)).splitlines() == ["numbers: 0", "n  half"]


def test_headings_are_escaped_too() -> None:
    page = Table([1], {"<b>": lambda n: n}, title="<i>")._repr_html_()
    assert "<b>" not in page
    assert "<i>" not in page


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (float("inf"), "inf"),
        (True, "yes"),
        (12345, "12345"),
        (0.123456, "0.123"),
        (-12345.6, "-12,346"),
        (np.float64(0.5), "0.5"),
        (" Monday", "Monday"),
        ("a\nb", "a↵b"),
        ("x" * 99, "x" * 59 + "…"),
    ],
)
def test_cells_are_short(value: object, expected: str) -> None:
    assert shown(value) == expected  # type: ignore[arg-type]
