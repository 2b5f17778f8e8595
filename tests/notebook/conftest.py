from pathlib import Path

import pytest

import feature_manifold as fm
from feature_manifold.notebook.experiment import Experiment
from tests.notebook.planted import write_almanac


@pytest.fixture(scope="session")
def almanac(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_almanac(tmp_path_factory.mktemp("almanac") / "data")


@pytest.fixture
def experiment(almanac: Path) -> Experiment:
    return fm.open(almanac)
