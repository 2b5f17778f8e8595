"""A plan that will not fit is refused before its first stage starts, with the figures."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from feature_manifold.core.config import ExperimentConfig
from feature_manifold.core.errors import DiskSpaceError, MemorySpaceError
from feature_manifold.core.memory import available_memory
from feature_manifold.core.progress import SilentProgress
from feature_manifold.pipeline.pipeline import (
    HARVESTING,
    STAGES,
    experiment_paths,
    run_experiment,
)
from feature_manifold.pipeline.plan import PlannedStage, Selection, make_plan
from feature_manifold.pipeline.room import most_in_use
from feature_manifold.pipeline.runner import run_stages
from feature_manifold.pipeline.stage import Stage
from tests.pipeline.faults.small import plant, small_config
from tests.pipeline.toy import Toy, toy_config, toy_paths

HUGE = 1 << 60


def run(stages: tuple[Stage, ...], folder: Path, **values: object) -> None:
    run_stages(
        stages, toy_config(**values), toy_paths(folder), Selection(), progress=SilentProgress()
    )


def test_disk_that_a_late_stage_lacks_is_told_before_the_first_starts(tmp_path: Path) -> None:
    toy = Toy()
    *early, last = toy.stages()
    stages = (*early, replace(last, estimate=lambda config, paths: HUGE))
    with pytest.raises(DiskSpaceError, match=r"corpus, graph and examples need about 115292.*free"):
        run(stages, tmp_path)
    assert toy.ran == []


def test_memory_that_a_late_stage_lacks_is_told_before_the_first_starts(tmp_path: Path) -> None:
    if available_memory() is None:
        pytest.skip("this system does not say how much memory there is")
    toy = Toy()
    *early, last = toy.stages()
    stages = (*early, replace(last, memory=lambda config, paths: HUGE))
    with pytest.raises(MemorySpaceError) as caught:
        run(stages, tmp_path)
    assert "Stage examples needs about 1152921504.6 GB of memory and " in str(caught.value)
    assert "--n-workers" not in str(caught.value)
    assert caught.value.exit_code == 13
    assert toy.ran == []
    run((*early, replace(last, memory=lambda config, paths: 1 << 20)), tmp_path)


def test_the_remedy_names_fewer_threads_where_they_would_do(tmp_path: Path) -> None:
    if available_memory() is None:
        pytest.skip("this system does not say how much memory there is")
    (stage, *_) = Toy().stages()
    by_threads = replace(stage, memory=lambda config, paths: HUGE * (config.threads - 1) + 10**9)
    with pytest.raises(MemorySpaceError, match=r"With --n-workers 1 it needs 1\.0 GB"):
        run((by_threads,), tmp_path, n_workers=2)


def test_a_plan_shows_disk_and_memory_of_what_runs(tmp_path: Path) -> None:
    toy = Toy(estimate=7)
    stages = tuple(replace(stage, memory=lambda config, paths: 5) for stage in toy.stages())
    plan = make_plan(stages, toy_config(), toy_paths(tmp_path), Selection(only=("corpus",)))
    assert [(planned.bytes, planned.memory) for planned in plan] == [(7, 5), (0, 0), (0, 0)]


def test_a_stage_made_again_needs_room_beside_its_earlier_folder(tmp_path: Path) -> None:
    toy = Toy(estimate=1000)
    run(toy.stages(), tmp_path)
    paths = toy_paths(tmp_path)
    there = (paths.corpus / "content").stat().st_size
    plan = [PlannedStage(stage, "run", "", 1000) for stage in toy.stages()[:2]]
    assert most_in_use(plan, paths) == 2000 - there
    shutil.rmtree(paths.corpus)
    assert most_in_use(plan, paths) == 2000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a file system of 300 KB, where this machine lets us mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=300k,nr_inodes=200", "tmpfs", str(folder)]
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("to mount a small disk takes root")
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine does not let root mount a tmpfs")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.slow
def test_a_real_disk_that_fills_up_is_one_clear_error_and_the_next_run_goes_on(
    small_disk: Path, tmp_path: Path
) -> None:
    whole = small_config(tmp_path / "whole")
    plant(whole)
    run_experiment(whole, Selection(leave=HARVESTING), progress=SilentProgress())
    config = whole.replaced(data_root=small_disk)
    plant(config)
    ballast = small_disk / "ballast"
    free = shutil.disk_usage(small_disk).free
    errors: list[str] = []
    for kept in range(4096, free, 8192):
        ballast.unlink(missing_ok=True)
        ballast.write_bytes(bytes(max(shutil.disk_usage(small_disk).free - kept, 0)))
        try:
            # The estimates are far above what this experiment takes: they would refuse it.
            run_without_estimates(config)
        except DiskSpaceError as error:
            errors.append(str(error))
        else:
            break
    assert len(errors) > 3
    assert all(text.startswith("The disk filled up in stage ") for text in errors)
    ours, theirs = experiment_paths(config), experiment_paths(whole)
    for mine, reference in ((ours.root, theirs.root), (ours.visualizer, theirs.visualizer)):
        names = [path.relative_to(mine) for path in mine.rglob("*") if path.is_file()]
        assert len(names) > 10
        for name in names:
            if name.name != ".lock":
                assert (mine / name).read_bytes() == (reference / name).read_bytes(), name


def run_without_estimates(config: ExperimentConfig) -> None:
    stages = [replace(stage, estimate=lambda config, paths: 0) for stage in STAGES]
    selection = Selection(leave=HARVESTING)
    run_stages(stages, config, experiment_paths(config), selection, progress=SilentProgress())
