"""``fmi import``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from feature_manifold.cli.options import with_config_options
from feature_manifold.core.config import make_config
from feature_manifold.core.progress import console_progress
from feature_manifold.pipeline.imports import plan_import, run_import


@with_config_options
def import_command(
    path: Annotated[
        Path, typer.Argument(help="Folder in the specification's layout or the prototype's.")
    ],
    *,
    experiment_id: Annotated[
        str | None,
        typer.Option("--id", help="Experiment id; else as the folder states or is named."),
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option("--tokenizer", help="Model whose tokenizer tells the texts of tokens."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Language model, if the folder names none.")
    ] = None,
    layer: Annotated[
        int | None, typer.Option("--layer", min=0, help="Layer, if the folder names none.")
    ] = None,
    sae_width: Annotated[
        str | None, typer.Option("--sae-width", help="SAE width, if the folder names none.")
    ] = None,
    sae_l0: Annotated[
        str | None, typer.Option("--sae-l0", help="SAE sparsity, if the folder names none.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an experiment of the same id.")
    ] = False,
    no_run: Annotated[
        bool, typer.Option("--no-run", help="Adopt what is there and run no later stage.")
    ] = False,
    overrides: dict[str, Any],
) -> None:
    """Adopt raw activations, per-latent files or exported JSON as an experiment."""
    config = make_config(overrides)
    said = {"model_name": model, "layer": layer, "sae_width": sae_width, "sae_l0": sae_l0}
    identity = {key: value for key, value in said.items() if value is not None}
    plan = plan_import(
        path, config, experiment_id=experiment_id, tokenizer=tokenizer, identity=identity
    )
    for note in plan.notes:
        typer.echo(f"{note.item:>10}  {note.text}")
    reports = run_import(plan, force=force, adopt_only=no_run, progress=console_progress())
    for report in reports:
        typer.echo(f"{report.name:>13}  {report.outcome:<8} {report.reason}")
    typer.echo(f"experiment {plan.paths.root.name} in {plan.paths.root}")


def register(app: typer.Typer) -> None:
    """Add the command to ``fmi``."""
    app.command("import")(import_command)
