"""``fmi demo`` and ``fmi train-demo``."""

from pathlib import Path
from typing import Annotated

import typer

from feature_manifold.cli.serve import DataOption, HostOption, PortOption, serve
from feature_manifold.core.config import load_config
from feature_manifold.core.errors import MissingArtifactError
from feature_manifold.core.extras import missing_extra
from feature_manifold.core.progress import console_progress
from feature_manifold.pipeline.pipeline import run_experiment
from feature_manifold.pipeline.plan import Selection
from feature_manifold.server.settings import DEFAULT_HOST, DEFAULT_PORT

DEMO_PATTERN = "almanac_*.yaml"


def demo_configs() -> list[Path]:
    """Return the shipped model's config files.

    They are packaged with a wheel; a checkout has them in its ``experiments/`` folder.
    """
    package = Path(__file__).parents[1]
    for folder in (package / "experiments", package.parents[1] / "experiments"):
        found = sorted(folder.glob(DEMO_PATTERN))
        if found:
            return found
    raise MissingArtifactError(f"The installed package has no {DEMO_PATTERN}. Install it again.")


def demo_command(
    *,
    data: DataOption = None,
    host: HostOption = DEFAULT_HOST,
    port: PortOption = DEFAULT_PORT,
    run_only: Annotated[
        bool, typer.Option("--run-only", help="Run the pipeline and do not serve.")
    ] = False,
) -> None:
    """Run the pipeline on the shipped model where that is not done, then serve the explorer."""
    progress = console_progress()
    for path in demo_configs():
        config = load_config(path, data_root=data)
        reports = run_experiment(config, Selection(), progress=progress)
        ran = [report.name for report in reports if report.outcome == "ran"]
        typer.echo(f"{config.experiment_id}: {', '.join(ran) or 'everything was current'}")
    if not run_only:
        serve(data, host=host, port=port)


def train_command(
    out: Annotated[Path, typer.Argument(help="Folder to write the assets to.")],
    *,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the text, the model and the SAEs.")] = 0,
    model_steps: Annotated[
        int | None, typer.Option(min=1, help="Steps of the model; fewer to try it out.")
    ] = None,
    sae_steps: Annotated[
        int | None, typer.Option(min=1, help="Steps of each SAE; fewer to try it out.")
    ] = None,
    compare: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of an earlier run with another seed, shown on the model card."),
    ] = None,
) -> None:
    """Train the shipped model and its SAEs again, from their generated text."""
    # Imported here: it needs torch, and ripser for measuring what was trained.
    try:
        from feature_manifold.demo.train import train_demo
    except ModuleNotFoundError as error:
        raise missing_extra(error, work="fmi train-demo", extra="harvest") from error

    train_demo(
        out,
        seed=seed,
        model_steps=model_steps,
        sae_steps=sae_steps,
        compare=tuple(compare or ()),
        progress=console_progress(),
    )


def register(app: typer.Typer) -> None:
    """Add the commands to ``fmi``."""
    app.command("demo")(demo_command)
    app.command("train-demo")(train_command)
