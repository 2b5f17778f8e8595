"""The whole pipeline on a tiny GPT-2: same input, same bytes; every fault found."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from feature_manifold.core.config import ExperimentConfig, make_config
from feature_manifold.core.errors import SaeError
from feature_manifold.core.progress import SilentProgress
from feature_manifold.pipeline.pipeline import (
    STAGES,
    experiment_paths,
    run_experiment,
    verify_experiment,
)
from feature_manifold.pipeline.plan import Selection
from feature_manifold.store.experiment import Experiment
from feature_manifold.store.layout import ExperimentPaths
from feature_manifold.testing.tiny import TinyExperiment, tiny_gpt2


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyExperiment:
    return tiny_gpt2(tmp_path_factory.mktemp("tiny"))


def run(config: ExperimentConfig, selection: Selection | None = None) -> list[str]:
    reports = run_experiment(config, selection or Selection(), progress=SilentProgress())
    return [report.name for report in reports if report.outcome == "ran"]


def contents(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def finished(tiny: TinyExperiment, tmp_path_factory: pytest.TempPathFactory) -> ExperimentConfig:
    config = make_config(tiny.config(data_root=tmp_path_factory.mktemp("data")))
    assert run(config) == [stage.name for stage in STAGES]
    return config


def copied(config: ExperimentConfig, folder: Path) -> tuple[ExperimentConfig, ExperimentPaths]:
    assert config.data_root is not None
    shutil.copytree(config.data_root, folder / "data")
    moved = config.replaced(data_root=folder / "data")
    return moved, experiment_paths(moved)


def states(paths: ExperimentPaths) -> dict[str, str]:
    found = verify_experiment(paths, progress=SilentProgress())
    return {state.name: state.state for state in found}


def test_a_second_run_finds_everything_current(finished: ExperimentConfig) -> None:
    assert run(finished) == []


def test_how_the_work_is_cut_changes_no_byte(
    tiny: TinyExperiment, finished: ExperimentConfig, tmp_path: Path
) -> None:
    cut = {"batch_size": 3, "latent_chunk": 37, "n_workers": 3, "data_root": tmp_path}
    other = make_config(tiny.config(**cut))
    run(other)
    ours, theirs = contents(experiment_paths(finished).root), contents(experiment_paths(other).root)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []
    exported = experiment_paths(finished).visualizer, experiment_paths(other).visualizer
    assert contents(exported[0]) == contents(exported[1])


def test_both_orientations_hold_the_same_firings(finished: ExperimentConfig) -> None:
    experiment = Experiment(experiment_paths(finished))
    by_latent, by_token = experiment.by_latent, experiment.by_token
    latents = np.repeat(np.arange(by_latent.n_latents), np.diff(by_latent.indptr))
    tokens = np.repeat(np.arange(by_latent.n_tokens), np.diff(by_token.indptr))
    order = np.lexsort((latents, by_latent.tokens))
    assert np.array_equal(by_token.latents, latents[order])
    assert np.array_equal(tokens, by_latent.tokens[order])
    assert np.array_equal(by_token.activations, by_latent.activations[order])
    assert by_latent.n_firings > 1000


def test_nothing_put_in_or_special_ever_fires(finished: ExperimentConfig) -> None:
    experiment = Experiment(experiment_paths(finished))
    fired = np.unique(experiment.by_latent.tokens)
    assert (experiment.tokens.position[fired] >= 0).all()
    starts = experiment.tokens.windows[:-1]
    assert (experiment.tokens.position[starts] == -1).all()
    assert not np.isin(starts, fired).any()


def test_a_changed_key_reruns_only_what_depends_on_it(
    finished: ExperimentConfig, tmp_path: Path
) -> None:
    config, _ = copied(finished, tmp_path)
    assert run(config.replaced(context_size=5)) == ["examples", "export"]
    fewer = config.replaced(context_size=5, edges_top_k=7)
    assert run(fewer) == ["graph", "clusters", "export"]
    assert run(fewer.replaced(clusters_kept=7)) == ["clusters"]


def test_the_exported_index_says_how_examples_were_asked_for(
    finished: ExperimentConfig, tmp_path: Path
) -> None:
    config, paths = copied(finished, tmp_path)
    # No latent fires that often: the examples are the same, and what index.json says is not.
    run(config.replaced(top_k=9998))
    examples = (paths.examples / "start.npy").read_bytes()
    run(config.replaced(top_k=9999))
    assert (paths.examples / "start.npy").read_bytes() == examples
    assert json.loads((paths.visualizer / "index.json").read_bytes())["top_k"] == 9999


def test_an_sae_of_another_width_than_the_config_says_is_refused(
    tiny: TinyExperiment, tmp_path: Path
) -> None:
    config = make_config(tiny.config(data_root=tmp_path, sae_width="65k"))
    with pytest.raises(SaeError, match="has 256 latents and sae-width is 65k. Set sae-width: 256"):
        run(config)
    assert not list(experiment_paths(config).raw_activations.glob("shard_*"))


def test_a_retrained_sae_in_the_same_folder_is_noticed(
    finished: ExperimentConfig, tmp_path: Path
) -> None:
    config, _ = copied(finished, tmp_path)
    assert finished.sae_path is not None
    shutil.copytree(finished.sae_path, tmp_path / "sae")
    weights = tmp_path / "sae" / "sae_weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(bytes(content))
    assert "harvest" in run(config.replaced(sae_path=str(tmp_path / "sae")))


@pytest.mark.parametrize("stage", [stage.name for stage in STAGES])
def test_verify_finds_a_flipped_bit_in_any_stage(
    finished: ExperimentConfig, tmp_path: Path, stage: str
) -> None:
    _, paths = copied(finished, tmp_path)
    assert set(states(paths).values()) == {"correct"}
    folder = next(other for other in STAGES if other.name == stage).folder(paths)
    biggest = max(
        (path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json"),
        key=lambda path: path.stat().st_size,
    )
    content = bytearray(biggest.read_bytes())
    content[len(content) // 2] ^= 4
    biggest.write_bytes(bytes(content))
    assert states(paths)[stage] == "damaged"


def test_an_interrupted_harvest_goes_on_and_ends_with_the_same_bytes(
    finished: ExperimentConfig, tmp_path: Path
) -> None:
    config, paths = copied(finished, tmp_path)
    whole = contents(paths.root)
    # What a kill leaves: no manifest of the harvest, one shard not there, one half written.
    (paths.raw_activations / "manifest.json").unlink()
    shards = sorted(paths.raw_activations.glob("shard_*"))
    assert len(shards) >= 3
    kept = (shards[0] / "tokens.npy").stat().st_ino
    shutil.rmtree(shards[1])
    shards[2].rename(shards[2].with_name(shards[2].name + ".partial"))
    assert states(paths)["harvest"] == "incomplete"
    assert run(config) == ["harvest"]
    assert contents(paths.root) == whole
    assert (shards[0] / "tokens.npy").stat().st_ino == kept


def test_fewer_shards_leave_no_stale_one_behind(finished: ExperimentConfig, tmp_path: Path) -> None:
    config, paths = copied(finished, tmp_path)
    before = len(list(paths.raw_activations.glob("shard_*")))
    run(config.replaced(shard_tokens=100_000))
    assert len(list(paths.raw_activations.glob("shard_*"))) == 1 < before
    assert set(states(paths).values()) == {"correct"}
