"""A damaged file is named by verify and read by no stage."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from feature_manifold.core.config import ExperimentConfig
from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.core.progress import SilentProgress
from feature_manifold.pipeline.pipeline import (
    HARVESTING,
    STAGES,
    experiment_paths,
    run_experiment,
    verify_experiment,
)
from feature_manifold.pipeline.plan import Selection
from feature_manifold.pipeline.runner import run_stages
from feature_manifold.store.layout import MANIFEST
from feature_manifold.store.manifest import read_manifest
from tests.pipeline.faults.scenarios import TOYS
from tests.pipeline.faults.small import plant, small_config
from tests.pipeline.toy import toy_config, toy_paths

pytestmark = pytest.mark.slow

Damage = Callable[[bytes], bytes]


def flipped(content: bytes) -> bytes:
    """Flip one bit, in the middle, where the data of an array and the text of a JSON file are."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :]


def truncated(content: bytes) -> bytes:
    return content[: len(content) * 3 // 4]


KINDS = pytest.mark.parametrize("damage", [flipped, truncated])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> ExperimentConfig:
    config = small_config(tmp_path_factory.mktemp("data"))
    plant(config)
    run_experiment(config, Selection(leave=HARVESTING), progress=SilentProgress())
    return config


@pytest.fixture
def config(finished: ExperimentConfig, tmp_path: Path) -> ExperimentConfig:
    assert finished.data_root is not None
    shutil.copytree(finished.data_root, tmp_path / "data")
    return finished.replaced(data_root=tmp_path / "data")


def files_of(config: ExperimentConfig) -> list[Path]:
    paths = experiment_paths(config)
    found = [*paths.root.rglob("*"), *paths.visualizer.rglob("*")]
    return sorted(path for path in found if path.is_file() and path.name != ".lock")


def problems(config: ExperimentConfig) -> list[str]:
    states = verify_experiment(experiment_paths(config), progress=SilentProgress())
    assert all((state.state == "damaged") == bool(state.problems) for state in states)
    return [problem for state in states for problem in state.problems]


@KINDS
def test_verify_names_any_damaged_file(config: ExperimentConfig, damage: Damage) -> None:
    files = files_of(config)
    suffixes = {path.suffix for path in files}
    assert len(files) > 40
    assert suffixes == {".npy", ".npz", ".json"}
    assert problems(config) == []
    for path in files:
        content = path.read_bytes()
        path.write_bytes(damage(content))
        found = problems(config)
        assert len(found) == 1, (path, found)
        assert str(path) in found[0].replace("raw_activations/../", "")
        path.write_bytes(content)
    assert problems(config) == []


@KINDS
@pytest.mark.parametrize("name", ["index", "graph", "examples", "export"])
def test_no_stage_reads_a_damaged_input(
    config: ExperimentConfig, name: str, damage: Damage
) -> None:
    by_name = {stage.name: stage for stage in STAGES}
    paths = experiment_paths(config)
    folders = [by_name[other].folder(paths) for other in by_name[name].inputs]
    inputs = {paths.decoder, paths.metadata}
    for folder in folders:
        manifest = read_manifest(folder)
        assert manifest is not None
        inputs |= {(folder / file).resolve() for file in (*manifest.files, MANIFEST)}
    assert len(inputs) > 5
    for path in sorted(inputs):
        content = path.read_bytes()
        path.write_bytes(damage(content))
        with pytest.raises(CorruptArtifactError) as caught:
            run_experiment(config, Selection(only=(name,), force=True), progress=SilentProgress())
        assert path.name in str(caught.value), path
        path.write_bytes(content)


def contents(config: ExperimentConfig) -> dict[str, bytes]:
    assert config.data_root is not None
    root = config.data_root
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files_of(config)}


@pytest.mark.parametrize("name", ["latents/tokens.npy", "graph/jaccard_similarity.npz"])
def test_a_damaged_stage_is_made_again_before_it_is_read(
    config: ExperimentConfig, name: str
) -> None:
    whole = contents(config)
    path = experiment_paths(config).root / name
    path.write_bytes(flipped(path.read_bytes()))
    (experiment_paths(config).visualizer / MANIFEST).unlink()
    reports = run_experiment(config, Selection(leave=HARVESTING), progress=SilentProgress())
    ran = {report.name: report.reason for report in reports if report.outcome == "ran"}
    stage = {"latents": "index", "graph": "graph"}[path.parent.name]
    assert list(ran) == [stage, "export"]
    assert ran[stage] == f"damaged: {path} does not match its checksum"
    assert contents(config) == whole


def test_a_stage_asked_for_by_name_is_looked_at_byte_by_byte(config: ExperimentConfig) -> None:
    path = experiment_paths(config).examples / "start.npy"
    content = path.read_bytes()
    path.write_bytes(flipped(content))
    reports = run_experiment(config, Selection(only=("examples",)), progress=SilentProgress())
    assert [report.name for report in reports if report.outcome == "ran"] == ["examples"]
    assert path.read_bytes() == content


@pytest.mark.parametrize("file", ["tokens.npy", MANIFEST])
def test_of_a_harvest_only_the_damaged_shard_is_made_again(tmp_path: Path, file: str) -> None:
    def run() -> list[str]:
        reports = run_stages(
            TOYS, toy_config(), toy_paths(tmp_path), Selection(), progress=SilentProgress()
        )
        return [report.name for report in reports if report.outcome == "ran"]

    run()
    raw = toy_paths(tmp_path).raw_activations
    damaged, sound = raw / "shard_00001" / file, raw / "shard_00000" / file
    content, kept = damaged.read_bytes(), sound.stat().st_ino
    damaged.write_bytes(flipped(content))
    # What is current is not read, and so not looked at.
    assert run() == []
    (toy_paths(tmp_path).latents / MANIFEST).unlink()
    assert run() == ["harvest", "index"]
    assert damaged.read_bytes() == content
    assert sound.stat().st_ino == kept
