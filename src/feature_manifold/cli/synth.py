"""``fmi synth``."""

import re
from typing import Annotated

import typer

from feature_manifold.cli.serve import DataOption
from feature_manifold.core.errors import ConfigError
from feature_manifold.core.progress import console_progress
from feature_manifold.testing.planted.spec import Layout, PlantedSpec

UNITS = {"": 1, "k": 1000, "m": 1_000_000}
SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([km]?)", re.IGNORECASE)


def synth_command(
    *,
    tokens: Annotated[str, typer.Option(help="Corpus tokens, for instance 10M.")] = "1M",
    latents: Annotated[str, typer.Option(help="SAE latents, for instance 65536.")] = "16384",
    l0: Annotated[float, typer.Option(help="Firings per token.")] = 60,
    d_model: Annotated[str, typer.Option("--d-model", help="Columns of the decoder.")] = "512",
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything.")] = 0,
    seq_len: Annotated[int, typer.Option("--seq-len", help="Rows of a window.")] = 1024,
    shard_tokens: Annotated[
        str, typer.Option("--shard-tokens", help="Token rows in a shard, about.")
    ] = "131072",
    model: Annotated[str, typer.Option(help="Model name of the experiment id.")] = "planted",
    layer: Annotated[int, typer.Option(min=0, help="Layer of the experiment id.")] = 0,
    experiment_suffix: Annotated[
        str | None, typer.Option("--experiment-suffix", help="Added to the experiment id.")
    ] = None,
    layout: Annotated[
        Layout, typer.Option(help="Ours, the specification's in a folder apart, or both.")
    ] = Layout.COMPACT,
    n_workers: Annotated[
        int, typer.Option("--n-workers", min=0, help="Threads; 0 takes every processor.")
    ] = 0,
    force: Annotated[bool, typer.Option("--force", help="Write even what is current.")] = False,
    data: DataOption = None,
) -> None:
    """Write a synthetic experiment of any size, with planted manifolds and their ground truth."""
    # Imported here: it compiles kernels.
    from feature_manifold.testing.planted.write import planted_config, write_planted

    spec = PlantedSpec(
        n_tokens=size_of(tokens),
        n_latents=size_of(latents),
        d_model=size_of(d_model),
        l0=l0,
        seed=seed,
        seq_len=seq_len,
        shard_tokens=size_of(shard_tokens),
    )
    config = planted_config(
        spec,
        model=model,
        layer=layer,
        experiment_suffix=experiment_suffix,
        n_workers=n_workers,
        data_root=data,
    )
    written = write_planted(spec, config, layout=layout, force=force, progress=console_progress())
    for report in written.reports:
        typer.echo(f"{report.name:>11}  {report.outcome:<8} {report.reason}")
    if layout != Layout.COMPACT:
        typer.echo(f"in the specification's layout in {written.spec_folder}")
    if layout != Layout.SPEC:
        typer.echo(f"experiment {config.experiment_id} in {written.paths.root}")
        typer.echo(f"go on with: fmi run {written.config_file} --skip-harvest")


def size_of(text: str) -> int:
    """Read a number such as 65536, 10M or 1.5k; k is a thousand and M a million.

    Raises
    ------
    ConfigError
        If it is not one, or not whole.
    """
    match = SIZE.fullmatch(text.strip())
    size = float(match[1]) * UNITS[match[2].lower()] if match else 0.5
    if size != int(size):
        raise ConfigError(f"'{text}' is not a size. Type for instance 65536, 64k or 10M.")
    return int(size)


def register(app: typer.Typer) -> None:
    """Add the command to ``fmi``."""
    app.command("synth")(synth_command)
