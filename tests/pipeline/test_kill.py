"""Killed at any operation on the disk, or refused it, a run leaves nothing that looks finished.

A small C library under the C library's calls counts every write, rename, fsync, unlink and the like
of a run of the real stages. Run after run, one of them is the last that the process does, or fails.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from feature_manifold.store.layout import MANIFEST
from tests.pipeline.faults.shim import Fault, build, environment

ROOT = Path(__file__).parents[2]
ERRORS = "errors.txt"
Operation = tuple[str, str, str]

WRITING = {"mkdir", "create", "write", "fsync", "rename", "truncate"}
REPLACING = {*WRITING, "unlink", "rmdir"}
SCENARIOS = [
    pytest.param("first", WRITING, 200, marks=pytest.mark.slow),
    pytest.param("forced", REPLACING, 250, marks=pytest.mark.slow),
    pytest.param("import", WRITING, 150, marks=pytest.mark.slow),
    pytest.param("forced-import", REPLACING, 150, marks=pytest.mark.slow),
    ("harvest", REPLACING, 80),
    ("forced-harvest", REPLACING, 80),
]
"""Scenario, kinds of operation that it must hold, and how many there are at least."""


@dataclass(frozen=True)
class Driver:
    """A process under the shim that injects faults when asked."""

    process: subprocess.Popen[str]
    work: Path

    def __call__(self, scenario: str, fault: Fault) -> tuple[Counter[str], list[Operation]]:
        """Inject it everywhere; return what happened how often, and what a quiet run does."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{scenario} {fault.name}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer == "0\n", (self.work / ERRORS).read_text()[-4000:]
        counts, operations = json.loads((self.work / scenario / "result.json").read_text())
        return Counter(counts), [tuple(step) for step in operations]


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    library = build(tmp_path_factory.mktemp("shim"))
    # In memory where there is some: to sync the disk 50,000 times takes minutes.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tmp_path_factory.mktemp("work")
    with (
        tempfile.TemporaryDirectory(dir=memory) as folder,
        Path(folder, ERRORS).open("w") as errors,
    ):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.pipeline.faults.drive", folder],
            env=environment(library),
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        with process:
            yield Driver(process, Path(folder))


@pytest.mark.parametrize(("scenario", "kinds", "n_least"), SCENARIOS)
def test_a_run_killed_at_any_operation_ends_with_the_same_bytes(
    drive: Driver, scenario: str, kinds: set[str], n_least: int
) -> None:
    kills, operations = drive(scenario, Fault.KILL)
    assert kills == Counter(kind for kind, _, _ in operations)
    assert kinds <= kills.keys()
    assert kills.total() >= n_least
    check_order(operations)


@pytest.mark.parametrize(("scenario", "kinds", "n_least"), SCENARIOS)
def test_a_disk_that_is_full_from_any_operation_on_is_one_clear_error(
    drive: Driver, scenario: str, kinds: set[str], n_least: int
) -> None:
    errors, operations = drive(scenario, Fault.FULL)
    assert errors.keys() <= {"DiskSpaceError", "none"}
    # What is left after the last write is the deletion of the replaced folder.
    assert errors["DiskSpaceError"] > errors["none"]
    assert errors.total() == len(operations) >= n_least


@pytest.mark.parametrize(("scenario", "kinds", "n_least"), SCENARIOS)
def test_a_disk_that_fails_once_at_any_operation_is_an_error(
    drive: Driver, scenario: str, kinds: set[str], n_least: int
) -> None:
    errors, operations = drive(scenario, Fault.BAD)
    # A lock file that cannot be emptied at the end of a run, and copies that cannot be deleted.
    assert errors["none"] <= 0.1 * len(operations)
    assert errors.total() == len(operations) >= n_least


def check_order(operations: list[Operation]) -> None:
    """Check that a power cut shows no more than a kill: data is on the disk before its name is.

    A file is synced after its last write and before the rename that gives it, or a folder above it,
    its name; so are the folders; the folder that holds the new name is synced after it. A folder's
    manifest is its last file.
    """
    renames = [
        (at, path, target)
        for at, (kind, path, target) in enumerate(operations)
        if kind == "rename" and not target.endswith(".replaced")
    ]
    assert len(renames) > 5
    for at, path, target in renames:
        began = max(
            n
            for n, (kind, made, _) in enumerate(operations[:at])
            if made == path and kind in ("mkdir", "create", "link")
        )
        inside = [(n, *operations[n]) for n in range(began, at) if is_in(operations[n][1], path)]
        gone = {name for _, kind, name, _ in inside if kind in ("unlink", "rmdir", "rename")}
        written = {name: n for n, kind, name, _ in inside if kind == "write" and name not in gone}
        made = {name: n for n, kind, name, _ in inside if kind in ("mkdir", "link")} | written
        synced = {name: n for n, kind, name, _ in inside if kind == "fsync"}
        for name, number in made.items():
            assert synced.get(name, -1) > number, f"{name} is not synced"
        if any(Path(name).name == f"{MANIFEST}.partial" for _, _, name, _ in inside):
            last = max((n, name) for n, kind, name, _ in inside if kind == "write")[1]
            assert Path(last).name == f"{MANIFEST}.partial", f"{last} is written after the manifest"
        after = {name for kind, name, _ in operations[at:] if kind == "fsync"}
        assert str(Path(target).parent) in after, f"the folder of {target} is not synced"


def is_in(name: str, folder: str) -> bool:
    return name == folder or name.startswith(folder + "/")
