"""The stage graph: what it says before it starts, and what it writes whatever the workers."""

import json
from pathlib import Path

import pytest

from feature_manifold.core.config import ExperimentConfig
from feature_manifold.core.errors import DeviceError
from feature_manifold.core.progress import SilentProgress
from feature_manifold.geometry import backends
from feature_manifold.pipeline.graph import GRAPH
from feature_manifold.pipeline.index import INDEX
from feature_manifold.pipeline.pipeline import STAGES, experiment_paths
from feature_manifold.pipeline.plan import Selection
from feature_manifold.pipeline.runner import run_stages
from feature_manifold.pipeline.stage import Stage
from feature_manifold.store.layout import ExperimentPaths
from feature_manifold.testing.planted.spec import PlantedSpec
from feature_manifold.testing.planted.write import planted_config, write_planted

SILENT = SilentProgress()


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> ExperimentConfig:
    """A planted experiment, indexed."""
    spec = PlantedSpec(n_tokens=20_000, n_latents=2048, d_model=64, l0=20, seed=0)
    config = planted_config(spec, data_root=tmp_path_factory.mktemp("data"))
    write_planted(spec, config, progress=SILENT)
    run(INDEX, config)
    return config


def run(stage: Stage, config: ExperimentConfig) -> ExperimentPaths:
    """Run one stage, as new, on what is there."""
    paths = experiment_paths(config)
    selection = Selection(only=(stage.name,), force=True)
    run_stages(STAGES, config, paths, selection, progress=SILENT)
    return paths


def files_of(paths: ExperimentPaths) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(paths.graph.iterdir())}


@pytest.mark.slow
def test_the_disk_is_estimated_and_the_workers_change_no_byte(planted: ExperimentConfig) -> None:
    one = planted.replaced(n_workers=1)
    paths = run(GRAPH, one)
    files = files_of(paths)
    size = sum(len(data) for name, data in files.items() if name != "manifest.json")
    assert GRAPH.estimate(one, paths) == pytest.approx(size, rel=0.2)
    assert files_of(run(GRAPH, planted.replaced(n_workers=3))) == files
    facts = json.loads(files["metadata.json"])
    assert facts["neighbours"] == "exact"
    assert "device" not in facts


@pytest.mark.gpu
def test_a_gpu_changes_no_byte(planted: ExperimentConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    files = files_of(run(GRAPH, planted.replaced(device="cpu")))
    monkeypatch.setattr(backends, "WORTH_TORCH", 0)
    assert files_of(run(GRAPH, planted.replaced(device="cuda:0"))) == files


def test_the_estimates_know_what_is_left_out(planted: ExperimentConfig) -> None:
    paths = experiment_paths(planted)
    lean = planted.replaced(skip_jaccard=True, skip_coactivation=True)
    assert GRAPH.estimate(lean, paths) < GRAPH.estimate(planted, paths) / 2
    assert GRAPH.memory(lean, paths) <= GRAPH.memory(planted, paths)


def test_memory_is_estimated_from_the_sizes_that_are_known(tmp_path: Path) -> None:
    """The specification's size, before anything is made."""
    config = planted_config(PlantedSpec(10_000_000, 65_536, 5376, 60), data_root=tmp_path)
    gigabytes = GRAPH.memory(config, experiment_paths(config)) / 1e9
    assert 2 < gigabytes < 4


def test_a_gpu_that_is_not_there_stops_the_run_before_it_starts(
    planted: ExperimentConfig,
) -> None:
    with pytest.raises(DeviceError, match="cuda:63"):
        run(GRAPH, planted.replaced(device="cuda:63"))
