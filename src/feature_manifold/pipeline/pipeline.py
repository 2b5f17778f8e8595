"""The whole pipeline of an experiment, in order."""

from dataclasses import dataclass
from typing import Literal

from feature_manifold.core.config import ExperimentConfig, processors
from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.core.progress import Progress
from feature_manifold.pipeline.clusters import CLUSTERS
from feature_manifold.pipeline.corpus import CORPUS
from feature_manifold.pipeline.examples import EXAMPLES
from feature_manifold.pipeline.export import EXPORT, write_experiment_list
from feature_manifold.pipeline.graph import GRAPH
from feature_manifold.pipeline.harvest import HARVEST
from feature_manifold.pipeline.index import INDEX
from feature_manifold.pipeline.plan import PlannedStage, Selection, make_plan
from feature_manifold.pipeline.runner import StageReport, full_disk_is_an_error, run_stages
from feature_manifold.pipeline.stage import Stage
from feature_manifold.store.layout import ExperimentPaths, data_root
from feature_manifold.store.manifest import Manifest, changed_inputs, file_problems, read_manifest

STAGES = (CORPUS, HARVEST, INDEX, GRAPH, CLUSTERS, EXAMPLES, EXPORT)
"""Every stage of an experiment, in the order in which they run."""

HARVESTING = (CORPUS.name, HARVEST.name)
"""The stages that ``--skip-harvest`` leaves alone."""


@dataclass(frozen=True)
class StageState:
    """What is on disk of one stage.

    Attributes
    ----------
    name
        The stage.
    state
        ``missing``, ``incomplete`` (files but no manifest), ``damaged``, ``outdated`` (whole, but
        made from an earlier state of its inputs, or in another format), or ``correct``.
    n_files, n_bytes
        As the manifest lists them.
    problems
        One line per file that differs, or input that changed.
    """

    name: str
    state: Literal["missing", "incomplete", "damaged", "outdated", "correct"]
    n_files: int
    n_bytes: int
    problems: tuple[str, ...]


def experiment_paths(config: ExperimentConfig) -> ExperimentPaths:
    """Return where an experiment lies."""
    return data_root(config.data_root).experiment(config.experiment_id)


def plan_experiment(config: ExperimentConfig, selection: Selection) -> list[PlannedStage]:
    """Say what ``run_experiment`` would do; nothing is written."""
    return make_plan(STAGES, config, experiment_paths(config), selection)


def run_experiment(
    config: ExperimentConfig, selection: Selection, *, progress: Progress
) -> list[StageReport]:
    """Run every stage that is not current.

    Raises
    ------
    FmiError
        Whatever stops a stage; finished stages stay, and the next call goes on from there.
    """
    reports = run_stages(STAGES, config, experiment_paths(config), selection, progress=progress)
    root = data_root(config.data_root)
    with full_disk_is_an_error(f"while the list of experiments was written to {root.path}"):
        write_experiment_list(root)
    return reports


def verify_experiment(paths: ExperimentPaths, *, progress: Progress) -> list[StageState]:
    """Check every file of every stage against its manifest, reading all of it."""
    with progress.task("verify", total=len(STAGES), unit="stages") as task:
        states = []
        for stage in STAGES:
            states.append(_stage_state(stage, paths))
            task.advance()
    return states


def _stage_state(stage: Stage, paths: ExperimentPaths) -> StageState:
    folder = stage.folder(paths)
    try:
        manifest = read_manifest(folder)
    except CorruptArtifactError as error:
        return StageState(stage.name, "damaged", 0, 0, (str(error),))
    if manifest is None:
        return StageState(stage.name, "incomplete" if folder.exists() else "missing", 0, 0, ())
    size = len(manifest.files), sum(record.bytes for record in manifest.files.values())
    damage = file_problems(folder, manifest, read_all=True, n_workers=processors())
    if damage:
        return StageState(stage.name, "damaged", *size, tuple(damage))
    outdated = _outdated(stage, manifest, paths)
    return StageState(stage.name, "outdated" if outdated else "correct", *size, tuple(outdated))


def _outdated(stage: Stage, manifest: Manifest, paths: ExperimentPaths) -> list[str]:
    """Say what keeps a whole folder from belonging to the others."""
    folder = stage.folder(paths)
    if manifest.format_version != stage.version:
        return [
            f"{folder} is of format version {manifest.format_version}, expected {stage.version}"
        ]
    try:
        changed = changed_inputs(manifest, paths.by_stage)
    except CorruptArtifactError:
        # That is said of the input itself.
        return []
    names = [paths.by_stage[name].name for name in changed]
    return [f"{folder} was made from another {name}/ than the one that is there" for name in names]
