"""Import a folder in the specification's layout or the prototype's as an experiment."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from feature_manifold.core.config import ExperimentConfig
from feature_manifold.core.errors import ConfigError
from feature_manifold.core.progress import Progress
from feature_manifold.pipeline.export import write_experiment_list
from feature_manifold.pipeline.import_made import graph_stage, visualizer_stage
from feature_manifold.pipeline.import_source import (
    ImportSource,
    Note,
    check_id,
    experiment_id_of,
    find_source,
)
from feature_manifold.pipeline.import_stages import importing_stages
from feature_manifold.pipeline.pipeline import STAGES
from feature_manifold.pipeline.plan import Selection, stale_reason
from feature_manifold.pipeline.runner import StageReport, full_disk_is_an_error, run_stages
from feature_manifold.pipeline.stage import Stage
from feature_manifold.store.atomic import begin_folder, commit_folder, drop_leftovers
from feature_manifold.store.layout import EDGES, ExperimentPaths, data_root
from feature_manifold.store.lock import experiment_lock

INDEX_NAME, GRAPH_NAME, CLUSTERS_NAME = "index", "graph", "clusters"
EXAMPLES_NAME, EXPORT_NAME = "examples", "export"


@dataclass(frozen=True)
class Import:
    """An import that is decided on.

    Attributes
    ----------
    source
        The folder, and what was found in it.
    paths
        Of the experiment to be made.
    config
        How the later stages are made.
    adopting
        The stages that take what is there.
    later
        Names of the usual stages that can be made from it.
    """

    source: ImportSource
    paths: ExperimentPaths
    config: ExperimentConfig
    adopting: tuple[Stage, ...]
    later: tuple[str, ...]

    @property
    def notes(self) -> tuple[Note, ...]:
        """One line per item."""
        return self.source.notes


def plan_import(
    folder: Path,
    config: ExperimentConfig,
    *,
    experiment_id: str | None,
    tokenizer: str | None,
    identity: Mapping[str, Any],
) -> Import:
    """Look at a folder and decide what will be made of it; nothing is written.

    Parameters
    ----------
    folder
        In the specification's layout or the prototype's.
    config
        Where data lies, and how the later stages are made.
    experiment_id
        None takes the one that the folder states.
    tokenizer
        Model whose tokenizer tells the texts of tokens.
    identity
        What the user says of the experiment, under the keys of ``metadata.json``.

    Raises
    ------
    ConfigError, MissingArtifactError, CorruptArtifactError
        If the id cannot be one, there is nothing to import, or what there is does not fit together.
    """
    source = find_source(folder, tokenizer=tokenizer, identity=identity)
    name = experiment_id or experiment_id_of(source)
    check_id(name)
    paths = data_root(config.data_root).experiment(name)
    if _overlap(folder, paths.root) or _overlap(source.visualizer or folder, paths.visualizer):
        raise ConfigError(
            f"{folder} holds the folder of experiment '{name}' in the data root. A source is never "
            "changed: import under another name with --id, or to another place with --data-root."
        )
    if source.visualizer is not None:
        return Import(source, paths, config, (visualizer_stage(source),), ())
    later: tuple[str, ...] = (INDEX_NAME, EXAMPLES_NAME)
    if source.decoder is not None:
        later = (INDEX_NAME, GRAPH_NAME, CLUSTERS_NAME, EXAMPLES_NAME, EXPORT_NAME)
    elif source.graph is not None and (source.graph / EDGES["cosine"]).is_file():
        later = (INDEX_NAME, EXAMPLES_NAME, EXPORT_NAME)
    return Import(source, paths, config, importing_stages(source, tokenizer=tokenizer), later)


def _overlap(one: Path, other: Path) -> bool:
    """Say whether one folder is the other, or holds it."""
    one, other = one.resolve(), other.resolve()
    return one.is_relative_to(other) or other.is_relative_to(one)


def run_import(
    plan: Import, *, force: bool, adopt_only: bool, progress: Progress
) -> list[StageReport]:
    """Adopt what is there, then make the stages that can be made from it.

    A run that was killed goes on when it is called again.

    Raises
    ------
    ConfigError
        If the experiment is there and was not made by this import, unless forced.
    LockedError, FmiError
        As ``run_stages``.
    """
    _refuse_overwriting(plan, force=force)
    _drop_what_cannot_be_made(plan)
    reports = _run(plan, plan.adopting, Selection(), progress)
    if not adopt_only and INDEX_NAME in plan.later:
        reports += _run_later(plan, (INDEX_NAME,), progress)
        if plan.source.graph is not None:
            index = next(stage for stage in STAGES if stage.name == INDEX_NAME)
            stages = (replace(index, inputs=()), graph_stage(plan.source))
            reports += _run(plan, stages, Selection(leave=(INDEX_NAME,)), progress)
        rest = tuple(name for name in plan.later if name != INDEX_NAME)
        reports += _run_later(plan, rest, progress)
    root = data_root(plan.config.data_root)
    with full_disk_is_an_error(f"while the list of experiments was written to {root.path}"):
        write_experiment_list(root)
    return [report for report in reports if report.outcome != "left"]


def _run_later(plan: Import, names: tuple[str, ...], progress: Progress) -> list[StageReport]:
    leave = tuple(stage.name for stage in STAGES if stage.name not in names)
    return _run(plan, STAGES, Selection(leave=leave), progress)


def _run(
    plan: Import, stages: tuple[Stage, ...], selection: Selection, progress: Progress
) -> list[StageReport]:
    return run_stages(stages, plan.config, plan.paths, selection, progress=progress)


def _drop_what_cannot_be_made(plan: Import) -> None:
    """Delete what an earlier experiment of this id had and this one cannot have."""
    paths, keep = plan.paths, [*plan.later, *([GRAPH_NAME] if plan.source.graph else [])]
    made_here = [adopting.folder(paths) for adopting in plan.adopting]
    gone = [stage.folder(paths) for stage in STAGES if stage.name not in keep]
    with (
        full_disk_is_an_error(f"while {paths.root.name} was imported"),
        experiment_lock(paths.lock),
    ):
        for folder in gone:
            drop_leftovers(folder)
            if folder not in made_here and folder.exists():
                # Renamed before it is deleted: half of it must not look finished.
                begin_folder(folder)
                commit_folder(folder)
                folder.rmdir()
        if plan.source.visualizer is not None:
            paths.decoder.unlink(missing_ok=True)


def _refuse_overwriting(plan: Import, *, force: bool) -> None:
    """Let pass what is not there yet, or is of this very import."""
    paths = plan.paths
    there = [stage.folder(paths) for stage in plan.adopting if stage.folder(paths).exists()]
    current = [
        stage.folder(paths)
        for stage in plan.adopting
        if stale_reason(stage, plan.adopting, plan.config, paths) is None
    ]
    foreign = [folder for folder in there if folder not in current]
    if not force and (foreign or (paths.metadata.exists() and not current)):
        raise ConfigError(
            f"Experiment '{paths.root.name}' is there already, and not made from "
            f"{plan.source.folder} as it is now. Import under another name with --id, or replace "
            "it with --force."
        )
