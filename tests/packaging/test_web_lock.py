"""The web app's lock file builds on other machines than the one that wrote it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

WEB = Path(__file__).parents[2] / "web"


@pytest.fixture(scope="module")
def packages() -> dict[str, Any]:
    lock = json.loads((WEB / "package-lock.json").read_text(encoding="utf-8"))
    found = lock["packages"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("tool", ["@rolldown/binding", "@biomejs/cli"])
@pytest.mark.parametrize("platform", ["darwin-arm64", "darwin-x64", "linux-x64", "win32-x64"])
def test_the_lock_lists_the_native_part_for(
    packages: dict[str, Any], tool: str, platform: str
) -> None:
    assert any(name.startswith(f"node_modules/{tool}-{platform}") for name in packages)


def test_the_lock_names_no_registry(packages: dict[str, Any]) -> None:
    assert [name for name, entry in packages.items() if "resolved" in entry] == []


def test_versions_are_exact() -> None:
    package = json.loads((WEB / "package.json").read_text(encoding="utf-8"))
    pinned = {**package["dependencies"], **package["devDependencies"]}
    assert [name for name, version in pinned.items() if not re.fullmatch(r"[\d.]+", version)] == []
