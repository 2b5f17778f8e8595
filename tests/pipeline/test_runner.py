import shutil
from pathlib import Path

import pytest

from feature_manifold.core.errors import (
    ConfigError,
    CorruptArtifactError,
    DiskSpaceError,
    MissingArtifactError,
)
from feature_manifold.core.progress import SilentProgress
from feature_manifold.pipeline.plan import Selection, make_plan
from feature_manifold.pipeline.runner import run_stages
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
    with pytest.raises(DiskSpaceError, match=r"needs about 1000000000\.0 GB.*are free"):
        run(Toy(estimate=10**18), tmp_path)
    assert not toy_paths(tmp_path).corpus.exists()


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
    with pytest.raises(CorruptArtifactError, match="Delete its folder"):
        run(toy, tmp_path)
