"""The whole pipeline of an experiment, in order."""

from dataclasses import dataclass
from typing import Literal

from feature_manifold.core.config import ExperimentConfig
from feature_manifold.core.progress import Progress
from feature_manifold.pipeline.corpus import CORPUS
from feature_manifold.pipeline.examples import EXAMPLES
from feature_manifold.pipeline.export import EXPORT, write_experiment_list
from feature_manifold.pipeline.graph import GRAPH
from feature_manifold.pipeline.harvest import HARVEST
from feature_manifold.pipeline.index import INDEX
from feature_manifold.pipeline.plan import PlannedStage, Selection, make_plan
from feature_manifold.pipeline.runner import StageReport, run_stages
from feature_manifold.store.layout import ExperimentPaths, data_root
from feature_manifold.store.manifest import file_problems, read_manifest

STAGES = (CORPUS, HARVEST, INDEX, GRAPH, EXAMPLES, EXPORT)
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
        ``missing``, ``incomplete`` (files but no manifest), ``correct`` or ``damaged``.
    n_files, n_bytes
        As the manifest lists them.
    problems
        One line per file that differs.
    """

    name: str
    state: Literal["missing", "incomplete", "correct", "damaged"]
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
    write_experiment_list(data_root(config.data_root))
    return reports


def verify_experiment(paths: ExperimentPaths, *, progress: Progress) -> list[StageState]:
    """Check every file of every stage against its manifest, reading all of it."""
    with progress.task("verify", total=len(STAGES), unit="stages") as task:
        states = []
        for stage in STAGES:
            states.append(_stage_state(stage.name, paths))
            task.advance()
    return states


def _stage_state(name: str, paths: ExperimentPaths) -> StageState:
    folder = next(stage for stage in STAGES if stage.name == name).folder(paths)
    manifest = read_manifest(folder)
    if manifest is None:
        return StageState(name, "incomplete" if folder.exists() else "missing", 0, 0, ())
    problems = tuple(file_problems(folder, manifest, read_all=True))
    n_bytes = sum(record.bytes for record in manifest.files.values())
    state: Literal["damaged", "correct"] = "damaged" if problems else "correct"
    return StageState(name, state, len(manifest.files), n_bytes, problems)
