"""Which stages have to run, and why."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from feature_manifold.core.config import ExperimentConfig, config_hash
from feature_manifold.core.errors import (
    ConfigError,
    CorruptArtifactError,
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
    memory
        Memory that it will take at its peak, about; 0 when it does not run, or nobody knows.
    damaged
        Its output is current, but for files that do not match their checksums.
    """

    stage: Stage
    action: Literal["run", "skip", "resume", "leave"]
    reason: str
    bytes: int = 0
    memory: int = 0
    damaged: bool = False

    @property
    def runs(self) -> bool:
        """Say whether the stage does anything."""
        return self.action in ("run", "resume")


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


def own_damage(stage: Stage, paths: ExperimentPaths, *, n_workers: int) -> str | None:
    """Read all of a stage's output; return what is damaged as a reason to make it again."""
    folder = stage.folder(paths)
    manifest = read_manifest(folder)
    if manifest is None:
        return None
    problems = file_problems(folder, manifest, read_all=True, n_workers=n_workers)
    return f"damaged: {problems[0]}" if problems else None


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
        if plan[-1].runs:
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
        return PlannedStage(stage, "leave", "not asked for")
    reason = stale_reason(stage, stages, config, paths)
    damage = None
    if reason is None and stage.name in selection.only and not selection.force:
        # Asked for by name, perhaps because fmi verify found something: worth the seconds.
        reason = damage = own_damage(stage, paths, n_workers=config.threads)
    upstream = [name for name in stage.inputs if name in running]
    if selection.force:
        reason = "forced"
    elif reason is None and upstream:
        reason = f"after {', '.join(upstream)}, if that changes"
    elif reason is None:
        return PlannedStage(stage, "skip", "current")
    resumes = stage.resumable and not selection.force and stage.folder(paths).exists()
    action: Literal["resume", "run"] = "resume" if resumes else "run"
    disk, memory = needs(stage, config, paths, selection)
    return PlannedStage(stage, action, reason, disk, memory, damaged=damage is not None)


def needs(
    stage: Stage, config: ExperimentConfig, paths: ExperimentPaths, selection: Selection
) -> tuple[int, int]:
    """Return the bytes of disk and of memory that running a stage takes, about."""
    disk = remaining_bytes(stage, config, paths, force=selection.force)
    return disk, stage.memory(config, paths)


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


def damaged_input(
    stage: Stage,
    stages: Sequence[Stage],
    paths: ExperimentPaths,
    *,
    intact: set[str],
    n_workers: int,
) -> tuple[str, str] | None:
    """Read all that a stage reads, and name the first input that is not as its manifest says.

    Parameters
    ----------
    intact
        Names of the stages whose files are known to be right: they are not read again. Those
        found right are added; ``NAME/..`` stands for the files beside a folder.
    n_workers
        Files read at a time.

    Returns
    -------
    tuple or None
        Name of the input's stage, and what is wrong.
    """
    by_name = {other.name: other for other in stages}
    for name in (*stage.inputs, *_further_inputs(stage, by_name)):
        whole = name in stage.inputs
        key = name if whole else f"{name}/.."
        folder = by_name[name].folder(paths)
        manifest = None if name in intact or key in intact else read_manifest(folder)
        if manifest is None:
            continue
        beside = [file for file in manifest.files if file.startswith("../")]
        problems = file_problems(
            folder,
            manifest,
            read_all=True,
            names=None if whole else beside,
            n_workers=n_workers,
        )
        if problems:
            return name, problems[0]
        intact.add(key)
    return None


def _further_inputs(stage: Stage, by_name: dict[str, Stage]) -> Iterator[str]:
    """Yield the inputs of inputs: what lies beside their folders, as the decoder, anyone reads."""
    for name in stage.inputs:
        for further in by_name[name].inputs:
            if further not in stage.inputs:
                yield further
        yield from _further_inputs(by_name[name], by_name)
