"""Run a plan: lock the experiment, then stage after stage, each committed by its manifest."""

import errno
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from feature_manifold.core.config import ExperimentConfig
from feature_manifold.core.errors import CorruptArtifactError, DiskSpaceError
from feature_manifold.core.progress import Progress
from feature_manifold.pipeline.plan import (
    PlannedStage,
    Selection,
    check_inputs,
    damaged_input,
    input_digests,
    make_plan,
    needs,
    stale_reason,
)
from feature_manifold.pipeline.room import check_room
from feature_manifold.pipeline.stage import Stage, StageContext
from feature_manifold.store.atomic import (
    begin_folder,
    commit_folder,
    drop_leftovers,
    make_folder,
    replaced_folder,
    sync_file,
)
from feature_manifold.store.layout import MANIFEST, ExperimentPaths
from feature_manifold.store.lock import experiment_lock
from feature_manifold.store.manifest import make_manifest, write_manifest
from feature_manifold.store.shards import shard_records

logger = logging.getLogger(__name__)

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class StageReport:
    """What happened to one stage.

    Attributes
    ----------
    name
        The stage.
    outcome
        ``ran``, ``skipped`` or ``left``.
    reason
        Why.
    """

    name: str
    outcome: Literal["ran", "skipped", "left"]
    reason: str


def run_stages(
    stages: Sequence[Stage],
    config: ExperimentConfig,
    paths: ExperimentPaths,
    selection: Selection,
    *,
    progress: Progress,
) -> list[StageReport]:
    """Run what is not current, in order.

    A stage reads its inputs only when every byte of them matches their manifests. A damaged one
    is made again first, if its stage was asked for.

    Raises
    ------
    LockedError
        If another run holds the experiment.
    DiskSpaceError, MemorySpaceError
        Before any stage starts, if one of them will not fit; or when the disk fills up.
    CorruptArtifactError
        If an input is damaged and was to be left alone.
    FmiError
        Whatever a stage raises; stages finished before it stay finished.
    """
    with full_disk_is_an_error(f"while {paths.root.name} was run"), experiment_lock(paths.lock):
        for stage in stages:
            drop_leftovers(stage.folder(paths))
        plan = make_plan(stages, config, paths, selection)
        for planned in plan:
            if planned.runs:
                planned.stage.check(config)
        check_room(plan, config, paths)
        return _Run(tuple(stages), config, paths, selection, progress).through(plan)


@contextmanager
def full_disk_is_an_error(when: str) -> Iterator[None]:
    """Turn the system's error on a full disk into one clear line.

    Raises
    ------
    DiskSpaceError
        Saying when it was.
    """
    try:
        yield
    except OSError as error:
        if not _is_disk_full(error):
            raise
        raise DiskSpaceError(
            f"The disk filled up {when}. Free some and run the same command again; it goes on "
            "from there."
        ) from error


def _is_disk_full(error: OSError) -> bool:
    """Say so of the system's error, and of numpy's, which has a text and no number."""
    return error.errno in DISK_FULL or (error.errno is None and "requested and" in str(error))


@dataclass
class _Run:
    """One pass through a plan, and what it has learned about files on the way.

    Attributes
    ----------
    intact
        Stages whose files this process has written, or read and found right.
    damaged
        Stages to be made again because of what was found in their files, and why.
    reports
        Of each stage, so far.
    """

    stages: tuple[Stage, ...]
    config: ExperimentConfig
    paths: ExperimentPaths
    selection: Selection
    progress: Progress
    intact: set[str] = field(default_factory=set)
    damaged: dict[str, str] = field(default_factory=dict)
    reports: dict[str, StageReport] = field(default_factory=dict)

    def through(self, plan: Sequence[PlannedStage]) -> list[StageReport]:
        """Run the plan; go back to a stage whose output turns out to be damaged."""
        names = [planned.stage.name for planned in plan]
        self.damaged |= {found.stage.name: found.reason for found in plan if found.damaged}
        position = 0
        while position < len(plan):
            damaged = self._step(plan[position])
            position = position + 1 if damaged is None else names.index(damaged)
        return [self.reports[name] for name in names]

    def _step(self, planned: PlannedStage) -> str | None:
        """Run one stage if it has to; return the input that must be made again before, if any."""
        stage, name = planned.stage, planned.stage.name
        if planned.action == "leave":
            self.reports[name] = StageReport(name, "left", planned.reason)
            return None
        reason = self._reason(stage)
        if reason is None:
            self.reports.setdefault(name, StageReport(name, "skipped", "current"))
            return None
        check_inputs(stage, self.stages, self.paths)
        damaged = self._damaged_input(stage)
        if damaged is not None:
            return damaged
        if not planned.runs:
            stage.check(self.config)
        # The estimates are made anew: stages that just ran know the figures they depend on.
        disk, memory = needs(stage, self.config, self.paths, self.selection)
        check_room([replace(planned, bytes=disk, memory=memory)], self.config, self.paths)
        logger.info("%s: %s (%s)", name, stage.does, reason)
        self._make(stage)
        self.reports[name] = StageReport(name, "ran", reason)
        return None

    def _reason(self, stage: Stage) -> str | None:
        if self.selection.force and stage.name not in self.intact:
            return self.damaged.get(stage.name, "forced")
        reason = stale_reason(stage, self.stages, self.config, self.paths)
        return reason or self.damaged.get(stage.name)

    def _damaged_input(self, stage: Stage) -> str | None:
        found = damaged_input(
            stage, self.stages, self.paths, intact=self.intact, n_workers=self.config.threads
        )
        if found is None:
            return None
        name, problem = found
        source = next(other for other in self.stages if other.name == name)
        if not self.selection.includes(source):
            raise CorruptArtifactError(
                f"{problem}. Stage {stage.name} reads it. Make it again with: "
                f"fmi run CONFIG.yaml --only {name}"
            )
        logger.warning("%s. Stage %s reads it: %s runs again.", problem, stage.name, name)
        self.damaged[name] = f"damaged: {problem}"
        return name

    def _make(self, stage: Stage) -> None:
        """Run a stage and commit its output."""
        folder = stage.folder(self.paths)
        with (
            full_disk_is_an_error(f"in stage {stage.name}, in {folder}"),
            working_folder(stage, self.paths, force=self.selection.force) as working,
        ):
            _run_stage(stage, self.stages, self.config, self.paths, working, self.progress)
        self.damaged.pop(stage.name, None)
        self.intact.add(stage.name)


@contextmanager
def working_folder(stage: Stage, paths: ExperimentPaths, *, force: bool) -> Iterator[Path]:
    """Yield the folder that a stage writes to, and commit it after.

    A resumable stage writes in place; its manifest goes first, so that readers see at once that
    the folder is being made.
    """
    final = stage.folder(paths)
    if stage.resumable:
        make_folder(final)
        (final / MANIFEST).unlink(missing_ok=True)
        # Lest a power cut keeps the manifest and what is written after it.
        sync_file(final)
        if force:
            begin_folder(final)
            commit_folder(final)
        yield final
        return
    with replaced_folder(final) as staging:
        yield staging


def _run_stage(
    stage: Stage,
    stages: Sequence[Stage],
    config: ExperimentConfig,
    paths: ExperimentPaths,
    folder: Path,
    progress: Progress,
) -> None:
    inputs = input_digests(stage, stages, config, paths)
    if inputs is None:
        raise CorruptArtifactError(f"Stage {stage.name}: an input vanished while it started.")
    result = stage.run(StageContext(config, paths, folder, inputs, progress))
    part = config.stage_config(stage.name)
    manifest = make_manifest(
        folder,
        format=stage.name,
        format_version=stage.version,
        config=part,
        inputs=inputs,
        seed=part.get("seed"),
        facts=result.facts,
        known_files=shard_records(folder) if stage.resumable else None,
        outside=result.outside,
        n_workers=config.threads,
    )
    write_manifest(folder, manifest)
