"""The command ``fmi``."""

import typer

from feature_manifold import __version__
from feature_manifold.cli import demo, experiments, imports, run, serve, synth
from feature_manifold.cli.shell import run_shell

app = typer.Typer(
    name="fmi",
    help="See the geometry of a language model's features.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", help="Print the version.", callback=_show_version, is_eager=True
    ),
) -> None:
    """See the geometry of a language model's features."""


demo.register(app)
run.register(app)
serve.register(app)
experiments.register(app)
synth.register(app)
imports.register(app)


def main() -> None:
    """Run ``fmi``."""
    run_shell(app)
