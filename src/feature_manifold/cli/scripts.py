"""The specification's scripts: their documented options, each calling one function."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from feature_manifold.cli.options import with_config_options
from feature_manifold.cli.run import DryRunOption, execute, read_config
from feature_manifold.cli.shell import run_shell
from feature_manifold.core.config import make_config
from feature_manifold.core.progress import console_progress
from feature_manifold.pipeline.pipeline import HARVESTING
from feature_manifold.pipeline.plan import Selection

WorkersOption = Annotated[
    int, typer.Option(min=0, help="Threads, 0 for one per processor; results do not depend on it.")
]
TopKOption = Annotated[int, typer.Option("--top-k", min=1, help="Neighbours kept per latent.")]


@with_config_options
def run_pipeline(
    *,
    config: Annotated[
        Path | None, typer.Option("--config", help="YAML file; every key is also an option.")
    ] = None,
    dry_run: DryRunOption = False,
    skip_harvest: Annotated[
        bool, typer.Option("--skip-harvest", help="Use the raw activations that are there.")
    ] = False,
    overrides: dict[str, Any],
) -> None:
    """Run the full pipeline of an experiment; finished steps are skipped."""
    selection = Selection(leave=HARVESTING if skip_harvest else ())
    execute(read_config(config, overrides), selection, dry_run=dry_run)


@with_config_options
def harvest_activations(
    *,
    output_dir: Annotated[Path, typer.Option("--output-dir", help="Folder to write.")],
    overrides: dict[str, Any],
) -> None:
    """Run model and SAE on a corpus and collect activations."""
    from feature_manifold.pipeline.raw_output import harvest_to_folder

    harvest_to_folder(make_config(overrides), output_dir, progress=console_progress())
    typer.echo(f"wrote {output_dir}")


def build_indices(
    *,
    input_dir: Annotated[Path, typer.Option("--input-dir", help="Raw activations.")],
    output_dir: Annotated[Path, typer.Option("--output-dir", help="Folder to write.")],
    n_workers: WorkersOption = 0,
) -> None:
    """Create per-latent indices from harvest shards."""
    from feature_manifold.pipeline.steps import index_folder

    index_folder(input_dir, output_dir, n_workers=n_workers, progress=console_progress())
    typer.echo(f"wrote {output_dir}")


def compute_edges(
    *,
    data_dir: Annotated[Path, typer.Option("--data-dir", help="Output of build_indices.py.")],
    top_k: TopKOption = 100,
    skip_coactivation: Annotated[
        bool, typer.Option("--skip-coactivation", help="Leave out co-activation edges.")
    ] = False,
    skip_jaccard: Annotated[
        bool, typer.Option("--skip-jaccard", help="Leave out Jaccard edges.")
    ] = False,
    n_workers: WorkersOption = 0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of UMAP.")] = 0,
    device: Annotated[
        str, typer.Option(help="Where to compute: auto, cpu or cuda:N; same results.")
    ] = "auto",
) -> None:
    """Compute UMAP positions and similarity edges."""
    from feature_manifold.pipeline.steps import graph_folder

    config = make_config(
        {
            "edges_top_k": top_k,
            "skip_coactivation": skip_coactivation,
            "skip_jaccard": skip_jaccard,
            "n_workers": n_workers,
            "seed": seed,
            "device": device,
        }
    )
    graph_folder(config, data_dir, progress=console_progress())
    typer.echo(f"wrote {data_dir / 'graph'}")


def extract_top_activations(
    *,
    raw_dir: Annotated[Path, typer.Option("--raw-dir", help="Raw activations.")],
    output_dir: Annotated[Path, typer.Option("--output-dir", help="Folder to write.")],
    top_k: Annotated[int, typer.Option("--top-k", min=1, help="Strongest firings shown.")] = 50,
    context_size: Annotated[
        int, typer.Option("--context-size", min=0, help="Tokens shown on either side.")
    ] = 10,
    sample_percentiles: Annotated[
        bool, typer.Option("--sample-percentiles", help="Also sample weaker examples.")
    ] = False,
    max_shards: Annotated[
        int | None, typer.Option("--max-shards", min=1, help="Use just the first shards.")
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(help="Model whose tokenizer to use; else the model in metadata.json."),
    ] = None,
    n_workers: WorkersOption = 0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the samples.")] = 0,
) -> None:
    """Extract top-k examples per latent for the visualizer."""
    from feature_manifold.pipeline.steps import extract_folder

    config = make_config(
        {
            "top_k": top_k,
            "context_size": context_size,
            "sample_percentiles": sample_percentiles,
            "n_workers": n_workers,
            "seed": seed,
        }
    )
    extract_folder(
        config,
        raw_dir,
        output_dir,
        max_shards=max_shards,
        tokenizer=tokenizer,
        progress=console_progress(),
    )
    typer.echo(f"wrote {output_dir}")


def export_umap_json(
    *,
    positions_file: Annotated[Path, typer.Option("--positions-file", help="positions.npy.")],
    output: Annotated[Path, typer.Option("--output", help="JSON file to write.")],
) -> None:
    """Convert positions.npy to JSON for the web."""
    from feature_manifold.pipeline.steps import export_positions

    export_positions(positions_file, output)
    typer.echo(f"wrote {output}")


@with_config_options
def sanity_check_sae(
    *,
    config: Annotated[Path | None, typer.Option("--config", help="YAML file.")] = None,
    overrides: dict[str, Any],
) -> None:
    """Measure an SAE's variance explained and L0 on a corpus."""
    from feature_manifold.pipeline.sanity import measure_sae

    result = measure_sae(
        read_config(config, overrides),
        n_tokens=overrides.get("num_tokens", 10_000),
        progress=console_progress(),
    )
    typer.echo(f"tokens              {result.n_tokens:,}")
    typer.echo(f"L0                  {result.l0:.2f}")
    typer.echo(f"variance explained  {result.variance_explained:.4f}")
    typer.echo(f"mean squared error  {result.mean_squared_error:.6g}")
    typer.echo(f"latents that fired  {1 - result.dead_fraction:.2%}")


@with_config_options
def check_sae_loading(
    *,
    config: Annotated[Path | None, typer.Option("--config", help="YAML file.")] = None,
    overrides: dict[str, Any],
) -> None:
    """Load an SAE, and say what it is."""
    from feature_manifold.harvest.sanity import sae_loading_report

    report = sae_loading_report(read_config(config, overrides))
    for line in report.lines():
        typer.echo(line)


def run_script(command: Callable[..., None]) -> None:
    """Run one of these functions as a script."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(command)
    run_shell(app)
