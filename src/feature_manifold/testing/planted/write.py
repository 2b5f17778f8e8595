"""Write a planted experiment into a data root, as if it had just been harvested."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from feature_manifold.core.config import ExperimentConfig, make_config, width_names
from feature_manifold.core.progress import Progress
from feature_manifold.pipeline.plan import Selection
from feature_manifold.pipeline.runner import StageReport, run_stages
from feature_manifold.store.atomic import write_file
from feature_manifold.store.layout import ExperimentPaths, data_root
from feature_manifold.testing.planted.experiment import make_plan
from feature_manifold.testing.planted.spec import PlantedSpec
from feature_manifold.testing.planted.stages import NAME, planted_stages

CONFIG_FILE = "config.yaml"


@dataclass(frozen=True)
class PlantedFiles:
    """What was written.

    Attributes
    ----------
    config
        Of the experiment, as ``config.yaml`` has it.
    paths
        Where it lies.
    reports
        What happened to each stage.
    """

    config: ExperimentConfig
    paths: ExperimentPaths
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
    }
    return make_config(values | {key: value for key, value in options.items() if value is not None})


def write_planted(
    spec: PlantedSpec, config: ExperimentConfig, *, force: bool = False, progress: Progress
) -> PlantedFiles:
    """Write corpus, shards, decoder, ground truth and ``config.yaml``; what is current is kept.

    Parameters
    ----------
    spec
        What to plant.
    config
        ``planted_config(spec, ...)``: names the experiment, and says where it goes and how many
        threads to use.
    force
        Write even what is current.

    Raises
    ------
    ConfigError
        If the sizes do not go together.
    LockedError, DiskSpaceError
        As every run.
    """
    paths = data_root(config.data_root).experiment(config.experiment_id)
    reports = run_stages(
        planted_stages(make_plan(spec)), config, paths, Selection(force=force), progress=progress
    )
    write_file(paths.root / CONFIG_FILE, _yaml(config))
    return PlantedFiles(config, paths, tuple(reports))


def _yaml(config: ExperimentConfig) -> bytes:
    """Return the fields that differ from their defaults, as YAML."""
    values = config.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    if config.data_root is not None:
        values["data-root"] = str(config.data_root.resolve())
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True).encode()
