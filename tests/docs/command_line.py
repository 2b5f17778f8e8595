"""Every command and script with its options, asked of the code."""

import ast
from functools import cache
from pathlib import Path

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from feature_manifold.cli import scripts
from feature_manifold.cli.main import app
from feature_manifold.core.config import config_keys
from tests.docs.pages import ROOT

CONFIG_OPTIONS = {f"--{key}" for key in config_keys()} | {f"--no-{key}" for key in config_keys()}
CONFIG_OPTIONS |= {"--data"}


@cache
def fmi() -> TyperGroup:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return group


@cache
def fmi_commands() -> dict[str, TyperCommand]:
    return {f"fmi {name}": _checked(command) for name, command in fmi().commands.items()}


def _checked(command: object) -> TyperCommand:
    assert isinstance(command, TyperCommand)
    return command


@cache
def script_commands() -> dict[str, TyperCommand]:
    return {path.name: _script_command(path) for path in sorted((ROOT / "scripts").glob("*.py"))}


def _script_command(path: Path) -> TyperCommand:
    """Return the command that a script runs: the argument of its call of ``run_script``."""
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    (name,) = (
        argument.id
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "run_script"
        for argument in call.args
        if isinstance(argument, ast.Name)
    )
    own = typer.Typer(add_completion=False)
    own.command()(getattr(scripts, name))
    return _checked(typer.main.get_command(own))


@cache
def all_commands() -> dict[str, TyperCommand]:
    return fmi_commands() | script_commands()


def parameters(command: TyperCommand | TyperGroup) -> dict[str, TyperOption]:
    """Return the option names of a command, all spellings, with their parameters."""
    return {
        name: parameter
        for parameter in command.params
        if isinstance(parameter, TyperOption)
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name != "--help"
    }


def takes_config(command: TyperCommand) -> bool:
    """Say whether every configuration key is an option of the command."""
    return {f"--{key}" for key in config_keys()} <= parameters(command).keys()
