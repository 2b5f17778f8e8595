"""``fmi run`` and one command per stage."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from feature_manifold.cli.options import with_config_options
from feature_manifold.cli.shell import stopping_in_time
from feature_manifold.core.config import ExperimentConfig, load_config, make_config
from feature_manifold.core.progress import console_progress
from feature_manifold.pipeline.pipeline import (
    HARVESTING,
    STAGES,
    experiment_paths,
    plan_experiment,
    run_experiment,
)
from feature_manifold.pipeline.plan import PlannedStage, Selection

ConfigArgument = Annotated[
    Path | None, typer.Argument(help="YAML file; every key is also an option.")
]
DryRunOption = Annotated[
    bool,
    typer.Option("--dry-run", help="Say what would run, why, and what disk and memory it takes."),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Run even what is current.")]


def read_config(path: Path | None, overrides: dict[str, Any]) -> ExperimentConfig:
    """Read the YAML file, if any, and put the options over it."""
    return make_config(overrides) if path is None else load_config(path, **overrides)


def execute(config: ExperimentConfig, selection: Selection, *, dry_run: bool) -> None:
    """Plan or run, and say what happened."""
    if dry_run:
        show_plan(config, plan_experiment(config, selection))
        return
    with stopping_in_time():
        reports = run_experiment(config, selection, progress=console_progress())
    for report in reports:
        typer.echo(f"{report.name:>9}  {report.outcome:<8} {report.reason}")
    typer.echo(f"experiment {config.experiment_id} in {experiment_paths(config).root}")


def show_plan(config: ExperimentConfig, plan: list[PlannedStage]) -> None:
    """Print a plan as a table."""
    typer.echo(f"experiment {config.experiment_id} in {experiment_paths(config).root}")
    table = Table("stage", "action", "reason", "disk", "memory", "does")
    for planned in plan:
        sizes = _gigabytes(planned.bytes), _gigabytes(planned.memory)
        table.add_row(
            planned.stage.name, planned.action, planned.reason, *sizes, planned.stage.does
        )
    Console(width=120, markup=False).print(table)
    disk = sum(planned.bytes for planned in plan)
    memory = max(planned.memory for planned in plan)
    at_peak = f", {memory / 1e9:.2f} GB of memory at the peak" if memory else ""
    typer.echo(f"about {disk / 1e9:.2f} GB of disk in all{at_peak}; nothing was run")


def _gigabytes(size: int) -> str:
    """Return a size as the table shows it: nothing where it is 0 or not known."""
    return f"{size / 1e9:.2f} GB" if size else ""


@with_config_options
def run_command(
    config: ConfigArgument = None,
    *,
    dry_run: DryRunOption = False,
    force: ForceOption = False,
    skip_harvest: Annotated[
        bool, typer.Option("--skip-harvest", help="Use the raw activations that are there.")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Run just this stage; may be repeated.")
    ] = None,
    overrides: dict[str, Any],
) -> None:
    """Run the whole pipeline of an experiment; finished stages are skipped."""
    leave = HARVESTING if skip_harvest else ()
    selection = Selection(only=tuple(only or ()), leave=leave, force=force)
    execute(read_config(config, overrides), selection, dry_run=dry_run)


def _stage_command(names: tuple[str, ...], text: str) -> Any:
    @with_config_options
    def command(
        config: ConfigArgument = None,
        *,
        dry_run: DryRunOption = False,
        force: ForceOption = False,
        overrides: dict[str, Any],
    ) -> None:
        execute(read_config(config, overrides), Selection(only=names, force=force), dry_run=dry_run)

    command.__doc__ = text
    return command


def register(app: typer.Typer) -> None:
    """Add the commands to ``fmi``."""
    app.command("run")(run_command)
    for stage in STAGES:
        if stage.name in HARVESTING:
            continue
        app.command(stage.name)(_stage_command((stage.name,), f"Only: {stage.does}."))
    harvest = _stage_command(HARVESTING, "Only: tokenise the corpus, run the model and its SAE.")
    app.command("harvest")(harvest)
