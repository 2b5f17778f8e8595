"""Every config key as a command-line option."""

import functools
import inspect
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any

import typer

from feature_manifold.core.config import ExperimentConfig

ALIASES = {"data_root": ("--data",)}


def with_config_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the config's fields as options; it receives those that were set.

    Parameters
    ----------
    command
        Its last parameter is ``overrides: dict[str, Any]``.

    Returns
    -------
    Callable
        The same command with an option per field in place of ``overrides``.
    """
    own = [p for p in inspect.signature(command).parameters.values() if p.name != "overrides"]
    taken = {parameter.name for parameter in own}
    offered = [name for name in ExperimentConfig.model_fields if name not in taken]

    @functools.wraps(command)
    def wrapper(**values: Any) -> None:
        overrides = {name: values.pop(name) for name in offered}
        given = {name: value for name, value in overrides.items() if value is not None}
        command(**values, overrides=given)

    parameters = own + [_parameter(name) for name in offered]
    keyword = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    wrapper.__signature__ = inspect.Signature(keyword)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in keyword}
    del wrapper.__wrapped__
    return wrapper


def _parameter(name: str) -> inspect.Parameter:
    field = ExperimentConfig.model_fields[name]
    flag = "--" + name.replace("_", "-")
    plain = _plain_type(field.annotation)
    default = field.default
    flags = (f"{flag}/--no-{flag[2:]}",) if plain is bool else (flag, *ALIASES.get(name, ()))
    option = typer.Option(
        *flags,
        help=field.description,
        show_default="none" if default is None else str(default),
    )
    annotation: Any = Annotated[plain | None, option]
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
    )


def _plain_type(annotation: Any) -> type:
    """Return the type that the command line parses; pydantic checks the rest."""
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        kinds = [kind for kind in typing.get_args(annotation) if kind is not types.NoneType]
        return _plain_type(kinds[0])
    if typing.get_origin(annotation) is typing.Literal:
        return str
    return annotation if isinstance(annotation, type) else str
