"""Write a planted experiment into a data root, as if it had just been harvested."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from feature_manifold.core.config import ExperimentConfig, make_config, width_names
from feature_manifold.core.progress import Progress
from feature_manifold.pipeline.plan import Selection, stale_reason
from feature_manifold.pipeline.runner import StageReport, run_stages
from feature_manifold.pipeline.stage import Stage
from feature_manifold.store.atomic import STAGING_SUFFIX, write_file
from feature_manifold.store.layout import ExperimentPaths, data_root
from feature_manifold.store.lock import experiment_lock
from feature_manifold.testing.planted.experiment import make_plan
from feature_manifold.testing.planted.spec import Layout, PlantedSpec
from feature_manifold.testing.planted.spec_folder import spec_stage
from feature_manifold.testing.planted.stages import CONFIG_FILE, NAME, planted_stages

SPEC_LAYOUT = "spec_layout"
"""Folder of the data root that holds folders in the specification's layout, by experiment id."""


@dataclass(frozen=True)
class PlantedFiles:
    """What was written.

    Attributes
    ----------
    config
        Of the experiment, as ``config.yaml`` has it.
    paths
        Where it lies in our layout.
    spec_folder
        Where it lies in the specification's.
    reports
        What happened to each stage.
    """

    config: ExperimentConfig
    paths: ExperimentPaths
    spec_folder: Path
    reports: tuple[StageReport, ...]

    @property
    def config_file(self) -> Path:
        """The file to give to ``fmi run``."""
        return self.paths.root / CONFIG_FILE


def planted_config(spec: PlantedSpec, **options: Any) -> ExperimentConfig:
    """Return the config of a planted experiment; ``options`` are further fields, by name."""
    values = {
        "model": NAME,
        "layer": 0,
        "sae_width": width_names(spec.n_latents)[0],
        "sae_l0": f"{spec.l0:g}",
        "sae_release": NAME,
        "sae_id": spec.digest[:16],
        "corpus": NAME,
        "num_tokens": spec.n_tokens,
        "seq_len": spec.seq_len,
        "shard_tokens": spec.shard_tokens,
    }
    return make_config(values | {key: value for key, value in options.items() if value is not None})


def write_planted(
    spec: PlantedSpec,
    config: ExperimentConfig,
    *,
    layout: Layout = Layout.COMPACT,
    force: bool = False,
    progress: Progress,
) -> PlantedFiles:
    """Write a planted experiment; what is current is kept, and a killed run goes on.

    Parameters
    ----------
    spec
        What to plant.
    config
        ``planted_config(spec, ...)``: names the experiment, and says where it goes and how many
        threads to use.
    layout
        ``COMPACT``: the experiment in our layout, with ground truth and ``config.yaml``.
        ``SPEC``: a folder in the specification's layout and nothing else; ours is made on the way
        and deleted. ``BOTH``: both, of the same firings.
    force
        Write even what is current.

    Raises
    ------
    ConfigError
        If the sizes do not go together.
    LockedError, DiskSpaceError
        As every run.
    """
    root, selection = data_root(config.data_root), Selection(force=force)
    paths = root.experiment(config.experiment_id)
    folder = root.path / SPEC_LAYOUT / config.experiment_id
    plan = make_plan(spec)
    stages, last = planted_stages(plan), spec_stage(plan, folder)
    if layout == Layout.SPEC:
        reports = _write_spec_alone(stages, last, config, folder, selection, progress)
    else:
        chosen = (*stages, last) if layout == Layout.BOTH else stages
        reports = run_stages(chosen, config, paths, selection, progress=progress)
        write_file(paths.root / CONFIG_FILE, _yaml(config))
    return PlantedFiles(config, paths, folder, tuple(reports))


def _write_spec_alone(
    stages: tuple[Stage, ...],
    last: Stage,
    config: ExperimentConfig,
    folder: Path,
    selection: Selection,
    progress: Progress,
) -> list[StageReport]:
    """Make our layout beside the folder, from it the specification's, and delete ours."""
    aside = folder.with_name(f"{folder.name}.native{STAGING_SUFFIX}")
    paths = ExperimentPaths(aside, aside / "visualizer")
    alone = replace(last, inputs=())
    reports = [StageReport(last.name, "skipped", "current")]
    if selection.force or stale_reason(alone, (alone,), config, paths) is not None:
        reports = run_stages((*stages, last), config, paths, selection, progress=progress)
    if aside.exists():
        with experiment_lock(paths.lock):
            shutil.rmtree(aside)
    return reports


def _yaml(config: ExperimentConfig) -> bytes:
    """Return the fields that differ from their defaults, as YAML."""
    values = config.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    if config.data_root is not None:
        values["data-root"] = str(config.data_root.resolve())
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True).encode()
