import errno
import os
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from feature_manifold.core.errors import (
    ConfigError,
    CorruptArtifactError,
    DiskSpaceError,
    MissingArtifactError,
)
from feature_manifold.core.progress import SilentProgress
from feature_manifold.pipeline.export import write_experiment_list
from feature_manifold.pipeline.pipeline import STAGES
from feature_manifold.pipeline.plan import Selection, make_plan
from feature_manifold.pipeline.runner import run_stages
from feature_manifold.store.layout import DataRoot
from feature_manifold.store.manifest import make_manifest, write_manifest
from feature_manifold.store.token_table import save_metadata
from tests.pipeline.toy import Toy, toy_config, toy_paths


def run(toy: Toy, folder: Path, selection: Selection | None = None, **values: object) -> list[str]:
    """Run and return the names of the stages that ran this time."""
    before = len(toy.ran)
    run_stages(
        toy.stages(),
        toy_config(**values),
        toy_paths(folder),
        selection or Selection(),
        progress=SilentProgress(),
    )
    return toy.ran[before:]


def actions(toy: Toy, folder: Path, selection: Selection | None = None, **values: object) -> str:
    plan = make_plan(
        toy.stages(), toy_config(**values), toy_paths(folder), selection or Selection()
    )
    return " ".join(planned.action for planned in plan)


def test_finished_stages_are_skipped(tmp_path: Path) -> None:
    toy = Toy()
    assert run(toy, tmp_path) == ["corpus", "graph", "examples"]
    assert run(toy, tmp_path) == []


def test_a_changed_key_reruns_exactly_the_stages_downstream_of_it(tmp_path: Path) -> None:
    toy = Toy()
    run(toy, tmp_path)
    assert run(toy, tmp_path, top_k=3) == ["examples"]
    assert run(toy, tmp_path, top_k=3, num_tokens=11) == ["corpus", "graph", "examples"]


def test_a_stage_whose_input_came_out_the_same_is_not_run_again(tmp_path: Path) -> None:
    toy = Toy()
    run(toy, tmp_path)
    # The graph runs because its own key changed; its content does not, so examples are current.
    assert actions(toy, tmp_path, umap_neighbors=7) == "skip run run"
    assert run(toy, tmp_path, umap_neighbors=7) == ["graph"]


def test_keys_that_change_no_output_rerun_nothing(tmp_path: Path) -> None:
    toy = Toy()
    run(toy, tmp_path)
    assert run(toy, tmp_path, batch_size=3, device="cpu", n_workers=2) == []


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    assert actions(Toy(), tmp_path) == "run run run"
    assert list(tmp_path.iterdir()) == []


def test_a_failed_stage_leaves_no_folder_and_the_next_run_goes_on(tmp_path: Path) -> None:
    toy = Toy(fail_in="graph")
    with pytest.raises(RuntimeError, match="graph fails"):
        run(toy, tmp_path)
    paths = toy_paths(tmp_path)
    assert (paths.corpus / "manifest.json").exists()
    assert not paths.graph.exists()
    assert run(Toy(), tmp_path) == ["graph", "examples"]


def test_a_folder_without_manifest_is_made_again(tmp_path: Path) -> None:
    toy = Toy()
    run(toy, tmp_path)
    (toy_paths(tmp_path).graph / "manifest.json").unlink()
    assert run(toy, tmp_path) == ["graph"]


def test_a_truncated_output_is_made_again(tmp_path: Path) -> None:
    toy = Toy()
    run(toy, tmp_path)
    (toy_paths(tmp_path).graph / "content").write_text("")
    assert run(toy, tmp_path) == ["graph"]


def test_only_and_skip_leave_the_others_alone(tmp_path: Path) -> None:
    toy = Toy()
    assert run(toy, tmp_path, Selection(only=("corpus",))) == ["corpus"]
    assert run(toy, tmp_path, Selection(leave=("corpus",)), num_tokens=11) == ["graph", "examples"]
    with pytest.raises(ConfigError, match="No stage 'umap'.*corpus, graph, examples"):
        run(toy, tmp_path, Selection(only=("umap",)))


def test_a_missing_input_says_which_stage_makes_it(tmp_path: Path) -> None:
    with pytest.raises(MissingArtifactError, match="--only corpus"):
        run(Toy(), tmp_path, Selection(only=("graph",)))


def test_force_runs_what_is_current(tmp_path: Path) -> None:
    toy = Toy()
    run(toy, tmp_path)
    assert run(toy, tmp_path, Selection(only=("graph",), force=True)) == ["graph"]


def test_a_disk_too_small_is_refused_with_the_figures(tmp_path: Path) -> None:
    with pytest.raises(
        DiskSpaceError, match=r"corpus, graph and examples need about 3000000000\.0 GB.*are free"
    ):
        run(Toy(estimate=10**18), tmp_path)
    assert not toy_paths(tmp_path).corpus.exists()


def test_inputs_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    toy = Toy()
    run(toy, tmp_path)
    run(toy, tmp_path, Selection(only=("corpus",)), num_tokens=11)
    with pytest.raises(CorruptArtifactError, match="another corpus/.*--only graph"):
        run(toy, tmp_path, Selection(only=("examples",)), num_tokens=11, top_k=3)


def test_copies_that_a_killed_run_left_are_deleted(tmp_path: Path) -> None:
    run(Toy(), tmp_path)
    graph = toy_paths(tmp_path).graph
    for suffix in (".partial", ".replaced"):
        shutil.copytree(graph, graph.with_name(graph.name + suffix))
    assert run(Toy(), tmp_path) == []
    assert sorted(path.name for path in graph.parent.iterdir() if path.is_dir()) == [
        "corpus",
        "examples",
        "graph",
    ]


def test_what_a_resumed_stage_has_written_is_not_asked_for_again(tmp_path: Path) -> None:
    stages = tuple(replace(stage, resumable=True) for stage in Toy(estimate=10**18).stages())
    corpus = toy_paths(tmp_path).corpus
    corpus.mkdir(parents=True)
    (corpus / "part").write_bytes(bytes(1000))
    for force, expected in ((False, 10**18 - 1000), (True, 10**18)):
        plan = make_plan(stages, toy_config(), toy_paths(tmp_path), Selection(force=force))
        assert plan[0].bytes == expected


def full_disk() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def full_disk_in_numpy() -> None:
    with Path("/dev/full").open("wb") as file:
        np.save(file, np.zeros(1 << 20))


@pytest.mark.parametrize("fill", [full_disk, full_disk_in_numpy])
def test_a_disk_that_fills_up_is_one_clear_line(tmp_path: Path, fill: object) -> None:
    stages = list(Toy().stages())
    stages[1] = replace(stages[1], run=lambda context: fill())  # type: ignore[operator]
    with pytest.raises(DiskSpaceError, match="filled up in stage graph.*goes on"):
        run_stages(
            stages, toy_config(), toy_paths(tmp_path), Selection(), progress=SilentProgress()
        )
    assert run(Toy(), tmp_path) == ["graph", "examples"]


def test_the_first_dry_run_knows_the_disk_of_every_stage(tmp_path: Path) -> None:
    plan = make_plan(STAGES, toy_config(num_tokens=10_000_000), toy_paths(tmp_path), Selection())
    needed = {planned.stage.name: planned.bytes / 1e9 for planned in plan}
    # docs/pipeline.md, "Disk, memory, time": 3.6 GB of firings and 1.4 GB of decoder, 7.2 GB index.
    assert needed["harvest"] == pytest.approx(5.0, abs=0.1)
    assert needed["index"] == pytest.approx(7.2, abs=0.1)
    assert needed["graph"] == pytest.approx(3 * 13 * 100 * 65_536 / 1e9, rel=0.05)
    assert min(needed.values()) > 0


def experiment(root: DataRoot, experiment_id: str, **metadata: object) -> None:
    raw = root.experiment(experiment_id).raw_activations
    raw.mkdir(parents=True)
    manifest = make_manifest(
        raw, format="harvest", format_version=1, config={}, inputs={}, seed=None, facts={}
    )
    write_manifest(raw, manifest)
    save_metadata(raw.parent, metadata)


KEYS = ("model_name", "layer", "sae_width", "sae_l0", "num_tokens", "n_latents", "d_model")


def test_runs_that_end_together_take_turns_at_the_list(tmp_path: Path) -> None:
    root = DataRoot(tmp_path)
    experiment(root, "toy", **dict.fromkeys(KEYS, 1))
    failures: list[OSError] = []

    def write() -> None:
        try:
            for _ in range(20):
                write_experiment_list(root)
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_damaged_neighbour_does_not_fail_a_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = DataRoot(tmp_path)
    experiment(root, "good", **dict.fromkeys(KEYS, 1))
    experiment(root, "lacking")
    experiment(root, "torn", **dict.fromkeys(KEYS, 1))
    (root.experiment("torn").raw_activations / "manifest.json").write_text("{")
    write_experiment_list(root)
    listed = (root.visualizer_data / "experiments.json").read_text()
    assert '"id":"good"' in listed
    assert "lacking" not in listed
    assert "torn is left out of experiments.json" in caplog.text


def test_two_runs_give_the_same_bytes(tmp_path: Path) -> None:
    contents = []
    for _ in range(2):
        run(Toy(), tmp_path)
        root = toy_paths(tmp_path).root
        files = sorted(path for path in root.rglob("*") if path.is_file() and path.name != ".lock")
        contents.append([(path.name, path.read_bytes()) for path in files])
        shutil.rmtree(root)
    assert contents[0] == contents[1]


def test_a_damaged_manifest_stops_the_run(tmp_path: Path) -> None:
    toy = Toy()
    run(toy, tmp_path)
    (toy_paths(tmp_path).graph / "manifest.json").write_text("{")
    with pytest.raises(
        CorruptArtifactError, match="manifest.json is not a manifest.*Delete that file"
    ):
        run(toy, tmp_path)
