"""Refuse in time: the disk and memory that a plan needs against what there is."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from feature_manifold.core.config import ExperimentConfig
from feature_manifold.core.errors import DiskSpaceError, MemorySpaceError
from feature_manifold.core.memory import available_memory
from feature_manifold.pipeline.plan import PlannedStage
from feature_manifold.store.layout import ExperimentPaths
from feature_manifold.store.manifest import read_manifest


def check_room(
    plan: Sequence[PlannedStage], config: ExperimentConfig, paths: ExperimentPaths
) -> None:
    """Refuse a plan that will not fit the disk or the memory.

    Raises
    ------
    DiskSpaceError, MemorySpaceError
        With the figures.
    """
    check_disk(plan, paths)
    for planned in plan:
        _check_memory(planned, config, paths)


def check_disk(plan: Sequence[PlannedStage], paths: ExperimentPaths) -> None:
    """Refuse a plan whose stages will not fit the disks that they write to, one after the other.

    Raises
    ------
    DiskSpaceError
        With the figures of the first disk that is too small.
    """
    by_disk: dict[int, list[PlannedStage]] = {}
    for planned in plan:
        if planned.bytes:
            disk = existing_parent(planned.stage.folder(paths)).stat().st_dev
            by_disk.setdefault(disk, []).append(planned)
    for sharing in by_disk.values():
        folder = existing_parent(sharing[0].stage.folder(paths))
        needed, free = most_in_use(sharing, paths), shutil.disk_usage(folder).free
        if needed > free:
            raise DiskSpaceError(
                f"{_names(sharing)} about {needed / 1e9:.1f} GB in {folder} and {free / 1e9:.1f} "
                "GB are free. Free some, or put the data elsewhere with --data-root."
            )


def most_in_use(plan: Sequence[PlannedStage], paths: ExperimentPaths) -> int:
    """Return the most bytes that stages take at any time beyond what is taken now.

    A stage that is made again is written beside its earlier folder, which goes when it is done.
    """
    most = taken = 0
    for planned in plan:
        taken += planned.bytes
        most = max(most, taken)
        if not planned.stage.resumable:
            taken -= _size(planned.stage.folder(paths))
    return most


def existing_parent(folder: Path) -> Path:
    """Return a folder, or the nearest one above it that exists."""
    while not folder.exists():
        folder = folder.parent
    return folder


def _size(folder: Path) -> int:
    manifest = read_manifest(folder)
    return 0 if manifest is None else sum(record.bytes for record in manifest.files.values())


def _names(plan: Sequence[PlannedStage]) -> str:
    names = [planned.stage.name for planned in plan]
    if len(names) == 1:
        return f"Stage {names[0]} needs"
    return f"Stages {', '.join(names[:-1])} and {names[-1]} need"


def _check_memory(planned: PlannedStage, config: ExperimentConfig, paths: ExperimentPaths) -> None:
    available = available_memory() if planned.memory else None
    if available is None or planned.memory <= available:
        return
    raise MemorySpaceError(
        f"Stage {planned.stage.name} needs about {planned.memory / 1e9:.1f} GB of memory and "
        f"{available / 1e9:.1f} GB are available. "
        + "".join(_fewer_threads(planned, config, paths, available))
        + "End other programs, or take a machine with more memory."
    )


def _fewer_threads(
    planned: PlannedStage, config: ExperimentConfig, paths: ExperimentPaths, available: int
) -> Iterator[str]:
    """Yield the remedy, if a stage fits with one thread."""
    alone = planned.stage.memory(config.replaced(n_workers=1), paths)
    if config.threads > 1 and alone <= available:
        yield f"With --n-workers 1 it needs {alone / 1e9:.1f} GB. "
