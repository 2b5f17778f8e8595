"""``fmi list``, ``fmi info`` and ``fmi verify``."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from feature_manifold.cli.serve import DataOption
from feature_manifold.core.errors import CorruptArtifactError, FmiError, MissingArtifactError
from feature_manifold.core.progress import console_progress
from feature_manifold.pipeline.pipeline import STAGES, verify_experiment
from feature_manifold.store.layout import DataRoot, ExperimentPaths, data_root
from feature_manifold.store.manifest import read_manifest
from feature_manifold.store.token_table import load_metadata

IdArgument = Annotated[str, typer.Argument(help="Experiment id, as fmi list shows it.")]


def list_command(*, data: DataOption = None) -> None:
    """List the experiments of the data root."""
    root = data_root(data)
    ids = root.experiment_ids()
    if not ids:
        typer.echo(f"No experiments in {root.experiments}. Make one with: fmi demo")
        return
    table = Table("experiment", "latents", "tokens", "firings", "stages finished")
    for experiment_id in ids:
        table.add_row(experiment_id, *_cells(root.experiment(experiment_id)))
    Console(width=140, markup=False).print(table)


def _cells(paths: ExperimentPaths) -> list[str]:
    """Return sizes and finished stages; of a damaged experiment, what keeps it from being read."""
    try:
        facts = load_metadata(paths.root)
        finished = [stage.name for stage in STAGES if read_manifest(stage.folder(paths))]
    except FmiError as error:
        return ["?", "?", "?", str(error)]
    figures = [_figure(facts.get(key)) for key in ("n_latents", "num_tokens", "n_firings")]
    return [*figures, ", ".join(finished)]


def _figure(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "?"


def info_command(experiment_id: IdArgument, *, data: DataOption = None) -> None:
    """Show an experiment's provenance and the figures of each stage, as JSON."""
    paths = _existing(data_root(data), experiment_id)
    stages: dict[str, Any] = {}
    for stage in STAGES:
        manifest = read_manifest(stage.folder(paths))
        if manifest is None:
            stages[stage.name] = None
            continue
        stages[stage.name] = {
            "config": manifest.config,
            "facts": manifest.facts,
            "inputs": manifest.inputs,
            "package_version": manifest.package_version,
            "bytes": sum(record.bytes for record in manifest.files.values()),
        }
    info = {"id": experiment_id, "metadata": load_metadata(paths.root), "stages": stages}
    typer.echo(json.dumps(info, indent=2, ensure_ascii=False))


def verify_command(experiment_id: IdArgument, *, data: DataOption = None) -> None:
    """Check every file of an experiment against its manifest."""
    paths = _existing(data_root(data), experiment_id)
    states = verify_experiment(paths, progress=console_progress())
    problems: list[str] = []
    for state in states:
        size = f"{state.n_files:,} files, {state.n_bytes / 1e6:,.1f} MB" if state.n_files else ""
        typer.echo(f"{state.name:>9}  {state.state:<10} {size}")
        problems += state.problems
    for problem in problems:
        typer.echo(f"  {problem}", err=True)
    damaged = [state for state in states if state.state == "damaged"]
    if damaged:
        n_files = sum(len(state.problems) for state in damaged)
        options = " ".join(f"--only {state.name}" for state in damaged)
        raise CorruptArtifactError(
            f"Experiment '{experiment_id}': {n_files} files differ from their manifests. "
            f"Make what is damaged again with: fmi run CONFIG.yaml {options}"
        )
    unfinished = [state.name for state in states if state.state != "correct"]
    if unfinished:
        raise MissingArtifactError(
            f"Experiment '{experiment_id}' is incomplete: {', '.join(unfinished)}. "
            "Go on with: fmi run CONFIG.yaml"
        )


def _existing(root: DataRoot, experiment_id: str) -> ExperimentPaths:
    ids = root.experiment_ids()
    if experiment_id not in ids:
        known = ", ".join(ids) or "none; make one with: fmi demo"
        raise MissingArtifactError(
            f"No experiment '{experiment_id}' in {root.experiments}. There are: {known}"
        )
    return root.experiment(experiment_id)


def register(app: typer.Typer) -> None:
    """Add the commands to ``fmi``."""
    app.command("list")(list_command)
    app.command("info")(info_command)
    app.command("verify")(verify_command)
