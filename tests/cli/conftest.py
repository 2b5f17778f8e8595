"""``fmi`` in this process, and a tiny experiment to run it on."""

import sys
from pathlib import Path

import pytest

from feature_manifold.cli.main import app
from feature_manifold.cli.shell import run_shell
from feature_manifold.testing.tiny import TinyExperiment, tiny_gpt2
from tests.cli import Fmi


@pytest.fixture
def fmi(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Fmi:
    def fmi(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["fmi", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "120")
        capfd.readouterr()
        code = 0
        try:
            run_shell(app)
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        shown = capfd.readouterr()
        return code, shown.out, shown.err

    return fmi


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyExperiment:
    return tiny_gpt2(tmp_path_factory.mktemp("tiny"))
