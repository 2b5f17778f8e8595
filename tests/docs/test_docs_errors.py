"""Every error has its section, with the exit code and status that the code gives it."""

import ast
import importlib
import re
from functools import cache
from http import HTTPStatus
from pathlib import Path

import pytest

from feature_manifold.core.errors import FmiError
from tests.docs.pages import ROOT, headings, names_in, page, rows_of, section

ERRORS = "docs/errors.md"
SRC = ROOT / "src"


@cache
def error_classes() -> dict[str, type[FmiError]]:
    """Find the family in the source, wherever a class derives from one of its members."""
    defined: dict[str, tuple[Path, list[str]]] = {}
    for path in sorted(SRC.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
                defined[node.name] = (path, bases)
    family = {"FmiError"}
    while more := {name for name, (_, bases) in defined.items() if family & set(bases)} - family:
        family |= more
    return {name: _load(defined[name][0], name) for name in sorted(family)}


def _load(path: Path, name: str) -> type[FmiError]:
    module = ".".join(path.relative_to(SRC).with_suffix("").parts)
    found: type[FmiError] = getattr(importlib.import_module(module), name)
    assert issubclass(found, FmiError)
    return found


@pytest.mark.parametrize("name", error_classes())
def test_every_error_has_a_section_with_exit_code_and_status(name: str) -> None:
    error = error_classes()[name]
    text = section(page(ERRORS), name)
    assert f"Exit code {error.exit_code}, HTTP status {error.http_status}." in text


def test_no_section_is_of_an_error_that_does_not_exist() -> None:
    titled = [title for title in headings(page(ERRORS)) if re.fullmatch(r"\w+Error", title)]
    assert sorted(titled) == sorted(error_classes())


def test_every_exit_code_is_in_the_range_that_the_page_states() -> None:
    codes = {error.exit_code for error in error_classes().values()}
    assert f"| {min(codes)} to {max(codes)} | An error below." in page(ERRORS)


FRAMEWORK_REFUSALS = (404, 405)
"""Statuses of unknown routes and methods, which the framework refuses by itself."""


def refusals() -> dict[str, int]:
    """Find the answers that are no error classes, with their statuses.

    They are what ``fault_response`` gets; without ``kind`` an answer is named by its status.
    """
    found = {status_name(status): status for status in FRAMEWORK_REFUSALS}
    for path in (SRC / "feature_manifold" / "server").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "fault_response":
                kinds = [keyword.value for keyword in node.keywords if keyword.arg == "kind"]
                status = status_of(node.args[0])
                if status is None:
                    continue
                if not kinds:
                    found[status_name(status)] = status
                elif isinstance(kinds[0], ast.Constant):
                    found[str(kinds[0].value)] = status
    return found


def status_of(argument: ast.expr) -> int | None:
    """Return a status that is spelled out: ``500`` or ``HTTPStatus.FORBIDDEN``."""
    if isinstance(argument, ast.Constant):
        return int(str(argument.value))
    if isinstance(argument, ast.Attribute) and ast.unparse(argument.value) == "HTTPStatus":
        return int(HTTPStatus[argument.attr])
    return None


def status_name(status: int) -> str:
    return HTTPStatus(status).phrase.title().replace(" ", "")


def test_every_refusal_of_the_server_is_listed_with_its_status() -> None:
    rows = rows_of(page(ERRORS), "type", "HTTP status")
    assert {names_in(row[0])[0]: int(row[1]) for row in rows} == refusals()
