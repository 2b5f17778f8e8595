"""Disk and memory that stages are said to take, against what they take, on a planted experiment."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from feature_manifold.core.config import load_config
from feature_manifold.pipeline.pipeline import HARVESTING, STAGES, experiment_paths
from feature_manifold.store.manifest import read_manifest

pytestmark = pytest.mark.slow

FMI = [sys.executable, "-m", "feature_manifold.cli"]
SIZES = ["--tokens", "500k", "--latents", "8192", "--l0", "40", "--d-model", "256"]
LAUNCH = """
import os, subprocess, sys
with open(sys.argv[1], "wb") as log:
    run = subprocess.Popen(sys.argv[2:], stdout=log, stderr=log)
    _, status, usage = os.wait4(run.pid, 0)
sys.stdout.write(f"{os.waitstatus_to_exitcode(status)} {usage.ru_maxrss}")
"""
"""Runs a command from a small process: a child's peak counts that of the process it comes from."""

SHARE = 0.2
"""How far an estimate may be off."""


@dataclass(frozen=True)
class Figures:
    """Bytes of one stage: as estimated when it was about to run, and as it took."""

    disk: int
    memory: int
    disk_taken: int
    memory_taken: int


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Figures]:
    """Run each stage in a process of its own; the kernel tells its memory at the peak."""
    data = tmp_path_factory.mktemp("data")
    subprocess.run([*FMI, "synth", *SIZES, "--data", str(data)], check=True, capture_output=True)
    (config_file,) = data.glob("experiments/*/config.yaml")
    return dict(_measured(config_file, data))


def _measured(config_file: Path, data: Path) -> Iterator[tuple[str, Figures]]:
    config = load_config(config_file, data_root=data)
    paths = experiment_paths(config)
    for stage in STAGES:
        if stage.name in HARVESTING:
            continue
        estimated = stage.estimate(config, paths), stage.memory(config, paths)
        command = [*FMI, "run", str(config_file), "--only", stage.name, "--data", str(data)]
        log = data / "log.txt"
        launch = [sys.executable, "-c", LAUNCH, str(log), *command]
        told = subprocess.run(launch, check=True, capture_output=True, text=True).stdout
        code, peak = map(int, told.split())
        assert code == 0, log.read_text()
        manifest = read_manifest(stage.folder(paths))
        assert manifest is not None
        taken = sum(record.bytes for record in manifest.files.values())
        # Linux counts in KiB, macOS in bytes.
        unit = 1 if sys.platform == "darwin" else 1024
        yield stage.name, Figures(*estimated, taken, peak * unit)


@pytest.mark.parametrize("name", ["index", "graph", "clusters", "examples", "export"])
def test_the_disk_of_a_stage_is_estimated(figures: dict[str, Figures], name: str) -> None:
    stage = figures[name]
    assert stage.disk == pytest.approx(stage.disk_taken, rel=SHARE)


@pytest.mark.parametrize("name", ["index", "graph", "clusters", "examples"])
def test_the_memory_of_a_stage_is_estimated(figures: dict[str, Figures], name: str) -> None:
    stage = figures[name]
    assert stage.memory == pytest.approx(stage.memory_taken, rel=SHARE)
