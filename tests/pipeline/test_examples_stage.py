"""Stages ``examples`` and ``export`` on planted firings: what they said they would take."""

import shlex

import numpy as np
import pytest
from typer.testing import CliRunner

from feature_manifold.cli.main import app
from feature_manifold.core.config import ExperimentConfig, load_config
from feature_manifold.pipeline.examples import EXAMPLES, expected_examples
from feature_manifold.pipeline.export import EXPORT
from feature_manifold.pipeline.stage import Stage
from feature_manifold.store.firings import INDPTR
from feature_manifold.store.layout import ExperimentPaths
from feature_manifold.store.manifest import read_manifest

SYNTH = "synth --tokens 30k --latents 1024 --l0 20 --d-model 32 --data"
STAGES = ("index", "graph", "examples", "export")


def run(line: str) -> None:
    assert CliRunner().invoke(app, shlex.split(line), catch_exceptions=False).exit_code == 0


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[ExperimentConfig, ExperimentPaths]:
    data = tmp_path_factory.mktemp("data")
    run(f"{SYNTH} {data}")
    (root,) = (data / "experiments").iterdir()
    for stage in STAGES:
        run(f"{stage} {root / 'config.yaml'} --data-root {data}")
    paths = ExperimentPaths(root, data / "visualizer_data" / root.name)
    return load_config(root / "config.yaml"), paths


@pytest.mark.parametrize("stage", [EXAMPLES, EXPORT], ids=lambda stage: stage.name)
def test_the_disk_is_what_was_estimated(
    finished: tuple[ExperimentConfig, ExperimentPaths], stage: Stage
) -> None:
    config, paths = finished
    manifest = read_manifest(stage.folder(paths))
    assert manifest is not None
    written = sum(record.bytes for record in manifest.files.values())
    assert 0.85 < stage.estimate(config, paths) / written < 1.15


def test_the_number_of_examples_follows_from_the_firings(
    finished: tuple[ExperimentConfig, ExperimentPaths],
) -> None:
    config, paths = finished
    manifest = read_manifest(paths.examples)
    assert manifest is not None
    counts = np.diff(np.load(paths.latents / INDPTR))
    found = manifest.facts["n_examples"]
    assert found <= expected_examples(config, counts) < 1.15 * found


def test_a_damaged_index_does_not_keep_a_run_from_being_planned(
    finished: tuple[ExperimentConfig, ExperimentPaths],
) -> None:
    config, paths = finished
    path = paths.latents / INDPTR
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[:-8])
        for stage in (EXAMPLES, EXPORT):
            assert stage.estimate(config, paths) > 0
            assert stage.memory(config, paths) > 0
    finally:
        path.write_bytes(whole)
