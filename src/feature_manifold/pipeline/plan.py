"""Which stages have to run, and why."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from feature_manifold.core.config import ExperimentConfig, config_hash
from feature_manifold.core.errors import (
    ConfigError,
    CorruptArtifactError,
    DiskSpaceError,
    MissingArtifactError,
)
from feature_manifold.pipeline.stage import Stage
from feature_manifold.store.layout import ExperimentPaths
from feature_manifold.store.manifest import (
    Manifest,
    changed_inputs,
    file_problems,
    read_manifest,
)


@dataclass(frozen=True)
class PlannedStage:
    """One stage of a plan.

    Attributes
    ----------
    stage
        The stage.
    action
        ``run``, ``skip`` (its output is current), ``resume`` (an interrupted run left parts), or
        ``leave`` (not asked for).
    reason
        Why, for the user.
    bytes
        Disk that it will take, about; 0 when it does not run.
    """

    stage: Stage
    action: Literal["run", "skip", "resume", "leave"]
    reason: str
    bytes: int


@dataclass(frozen=True)
class Selection:
    """Which stages the user asked for.

    Attributes
    ----------
    only
        Names of the stages to consider; empty means all.
    leave
        Names of the stages to leave alone, as with ``--skip-harvest``.
    force
        Run them even when their output is current.
    """

    only: tuple[str, ...] = ()
    leave: tuple[str, ...] = ()
    force: bool = False

    def includes(self, stage: Stage) -> bool:
        """Say whether a stage was asked for."""
        return (not self.only or stage.name in self.only) and stage.name not in self.leave

    def check(self, stages: Sequence[Stage]) -> None:
        """Refuse names that are no stage.

        Raises
        ------
        ConfigError
            Listing the stages.
        """
        names = [stage.name for stage in stages]
        for name in (*self.only, *self.leave):
            if name not in names:
                raise ConfigError(f"No stage '{name}'. The stages are: {', '.join(names)}.")


def input_digests(
    stage: Stage, stages: Sequence[Stage], config: ExperimentConfig, paths: ExperimentPaths
) -> dict[str, str] | None:
    """Return the digests of what a stage reads, or None if an input is not there."""
    digests = dict(stage.fingerprints(config, paths))
    by_name = {other.name: other for other in stages}
    for name in stage.inputs:
        manifest = read_manifest(by_name[name].folder(paths))
        if manifest is None:
            return None
        digests[name] = manifest.digest
    return digests


def stale_reason(
    stage: Stage, stages: Sequence[Stage], config: ExperimentConfig, paths: ExperimentPaths
) -> str | None:
    """Say why a stage's output is not current, or None when it is."""
    folder = stage.folder(paths)
    manifest = read_manifest(folder)
    if manifest is None:
        return "interrupted, or not made yet" if folder.exists() else "not made yet"
    if (manifest.format, manifest.format_version) != (stage.name, stage.version):
        return f"made in format {manifest.format} {manifest.format_version}"
    part = config.stage_config(stage.name)
    if manifest.config_hash != config_hash(part):
        return "changed: " + ", ".join(_changed_keys(manifest, part))
    digests = input_digests(stage, stages, config, paths)
    if digests is None:
        return "an input is missing"
    changed = [name for name, digest in digests.items() if manifest.inputs.get(name) != digest]
    if changed:
        return f"its input changed: {', '.join(changed)}"
    problems = file_problems(folder, manifest, read_all=False)
    return problems[0] if problems else None


def _changed_keys(manifest: Manifest, part: dict[str, object]) -> list[str]:
    keys = sorted({*manifest.config, *part})
    return [key for key in keys if manifest.config.get(key) != part.get(key)]


def make_plan(
    stages: Sequence[Stage],
    config: ExperimentConfig,
    paths: ExperimentPaths,
    selection: Selection,
) -> list[PlannedStage]:
    """Decide for each stage what will happen; nothing is written.

    A stage after one that runs is planned to run too; when it comes to it, it is skipped after
    all if its input came out the same.
    """
    selection.check(stages)
    running: set[str] = set()
    plan = []
    for stage in stages:
        plan.append(_plan_stage(stage, stages, config, paths, selection, running))
        if plan[-1].action in ("run", "resume"):
            running.add(stage.name)
    return plan


def _plan_stage(
    stage: Stage,
    stages: Sequence[Stage],
    config: ExperimentConfig,
    paths: ExperimentPaths,
    selection: Selection,
    running: set[str],
) -> PlannedStage:
    if not selection.includes(stage):
        return PlannedStage(stage, "leave", "not asked for", 0)
    reason = stale_reason(stage, stages, config, paths)
    upstream = [name for name in stage.inputs if name in running]
    if selection.force:
        reason = "forced"
    elif reason is None and upstream:
        reason = f"after {', '.join(upstream)}, if that changes"
    elif reason is None:
        return PlannedStage(stage, "skip", "current", 0)
    resumes = stage.resumable and not selection.force and stage.folder(paths).exists()
    action: Literal["resume", "run"] = "resume" if resumes else "run"
    needed = remaining_bytes(stage, config, paths, force=selection.force)
    return PlannedStage(stage, action, reason, needed)


def remaining_bytes(
    stage: Stage, config: ExperimentConfig, paths: ExperimentPaths, *, force: bool
) -> int:
    """Return what a stage has yet to write, about: one that resumes keeps or replaces its parts."""
    needed = stage.estimate(config, paths)
    if stage.resumable and not force:
        parts = (path for path in stage.folder(paths).rglob("*") if path.is_file())
        needed -= sum(path.stat().st_size for path in parts)
    return max(needed, 0)


def check_inputs(stage: Stage, stages: Sequence[Stage], paths: ExperimentPaths) -> None:
    """Refuse to run a stage whose inputs are not there, or do not belong together.

    Raises
    ------
    MissingArtifactError, CorruptArtifactError
        Saying which stage to run first.
    """
    folders = {other.name: other.folder(paths) for other in stages}
    for name in stage.inputs:
        manifest = read_manifest(folders[name])
        if manifest is None:
            raise MissingArtifactError(
                f"Stage {stage.name} needs {folders[name]}, which is not finished. "
                f"Make it with: fmi run CONFIG.yaml --only {name}"
            )
        changed = changed_inputs(manifest, folders)
        if changed:
            raise CorruptArtifactError(
                f"Stage {stage.name} needs {folders[name]}, which was made from another "
                f"{folders[changed[0]].name}/ than the one that is there. "
                f"Make it again with: fmi run CONFIG.yaml --only {name}"
            )


def check_disk(planned: PlannedStage, paths: ExperimentPaths) -> None:
    """Refuse a stage that will not fit the disk.

    Raises
    ------
    DiskSpaceError
        With the figures.
    """
    folder = planned.stage.folder(paths)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if planned.bytes > free:
        raise DiskSpaceError(
            f"Stage {planned.stage.name} needs about {planned.bytes / 1e9:.1f} GB in {folder} and "
            f"{free / 1e9:.1f} GB are free. Free some, or put the data elsewhere with --data-root."
        )
