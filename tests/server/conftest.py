import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tests.server.clients import make_client
from tests.server.planted import Planted, plant, write_experiment

from feature_manifold.server.settings import ServerSettings

HTML = "<!doctype html><title>app</title>"


@pytest.fixture(scope="session")
def planted() -> Planted:
    return plant()


@pytest.fixture(scope="session")
def whole_data_root(tmp_path_factory: pytest.TempPathFactory, planted: Planted) -> Path:
    root = tmp_path_factory.mktemp("whole") / "data"
    write_experiment(root, planted)
    return root


@pytest.fixture
def data_root(tmp_path: Path, whole_data_root: Path) -> Path:
    """A data root of one whole experiment, which the test may change."""
    return Path(shutil.copytree(whole_data_root, tmp_path / "data"))


@pytest.fixture
def web_app(tmp_path: Path) -> Path:
    """A built web app, with a secret file beside its folder."""
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(HTML)
    (folder / "umap.html").write_text(HTML)
    (folder / "favicon.svg").write_text("<svg/>")
    (folder / ".secret").write_text("hidden")
    (folder / "assets" / "index-BQ2x9fKe.js").write_text("1")
    (tmp_path / "secret.txt").write_text("outside")
    return folder


@pytest.fixture
def client(data_root: Path, web_app: Path) -> Iterator[TestClient]:
    with make_client(ServerSettings(data_root, static_folder=web_app)) as client:
        yield client
