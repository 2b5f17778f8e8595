"""Run a plan: lock the experiment, then stage after stage, each committed by its manifest."""

import errno
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from feature_manifold.core.config import ExperimentConfig
from feature_manifold.core.errors import CorruptArtifactError, DiskSpaceError
from feature_manifold.core.progress import Progress
from feature_manifold.pipeline.plan import (
    PlannedStage,
    Selection,
    check_disk,
    check_inputs,
    input_digests,
    make_plan,
    remaining_bytes,
    stale_reason,
)
from feature_manifold.pipeline.stage import Stage, StageContext
from feature_manifold.store.atomic import (
    begin_folder,
    commit_folder,
    drop_leftovers,
    replaced_folder,
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

    Raises
    ------
    LockedError
        If another run holds the experiment.
    FmiError
        Whatever a stage raises; stages finished before it stay finished.
    """
    with experiment_lock(paths.lock):
        for stage in stages:
            drop_leftovers(stage.folder(paths))
        plan = make_plan(stages, config, paths, selection)
        for planned in plan:
            if planned.action in ("run", "resume"):
                planned.stage.check(config)
        return [
            _run_planned(planned, stages, config, paths, selection, progress) for planned in plan
        ]


def _run_planned(
    planned: PlannedStage,
    stages: Sequence[Stage],
    config: ExperimentConfig,
    paths: ExperimentPaths,
    selection: Selection,
    progress: Progress,
) -> StageReport:
    stage = planned.stage
    if planned.action == "leave":
        return StageReport(stage.name, "left", planned.reason)
    reason = "forced" if selection.force else stale_reason(stage, stages, config, paths)
    if reason is None:
        return StageReport(stage.name, "skipped", "current")
    check_inputs(stage, stages, paths)
    # The estimate is made anew: stages that just ran know the figures it depends on.
    bytes_needed = remaining_bytes(stage, config, paths, force=selection.force)
    check_disk(replace(planned, bytes=bytes_needed), paths)
    logger.info("%s: %s (%s)", stage.name, stage.does, reason)
    try:
        with working_folder(stage, paths, force=selection.force) as folder:
            _run_stage(stage, stages, config, paths, folder, progress)
    except OSError as error:
        if not _is_disk_full(error):
            raise
        raise DiskSpaceError(
            f"The disk filled up in stage {stage.name}, in {stage.folder(paths)}. Free some and "
            "run the same command again; it goes on from there."
        ) from error
    return StageReport(stage.name, "ran", reason)


def _is_disk_full(error: OSError) -> bool:
    """Say so of the system's error, and of numpy's, which has a text and no number."""
    return error.errno in DISK_FULL or (error.errno is None and "requested and" in str(error))


@contextmanager
def working_folder(stage: Stage, paths: ExperimentPaths, *, force: bool) -> Iterator[Path]:
    """Yield the folder that a stage writes to, and commit it after.

    A resumable stage writes in place; its manifest goes first, so that readers see at once that
    the folder is being made.
    """
    final = stage.folder(paths)
    if stage.resumable:
        final.mkdir(parents=True, exist_ok=True)
        (final / MANIFEST).unlink(missing_ok=True)
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
    )
    write_manifest(folder, manifest)
