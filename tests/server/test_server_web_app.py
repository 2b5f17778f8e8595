from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tests.server.clients import make_client

from feature_manifold.core.errors import ServerError
from feature_manifold.server import web_app as web_app_module
from feature_manifold.server.app import build_app
from feature_manifold.server.settings import ServerSettings
from feature_manifold.server.web_app import find_web_app


def test_the_pages_are_served_at_their_addresses(client: TestClient) -> None:
    for address in ("/", "/index.html", "/umap.html", "/umap.html?latent=3"):
        answer = client.get(address)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
    assert client.head("/umap.html").status_code == 200


def test_only_hashed_files_are_kept_by_the_browser(client: TestClient) -> None:
    assert "immutable" in client.get("/assets/index-BQ2x9fKe.js").headers["cache-control"]
    for address in ("/", "/umap.html", "/favicon.svg", "/api/experiments", "/nothing"):
        assert client.get(address).headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "address",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/assets/../../secret.txt",
        "/assets/%2e%2e/%2e%2e/secret.txt",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/..%5csecret.txt",
        "/%00",
        "/.secret",
        "/assets/../.secret",
        "/link.txt",
        "/linked/secret.txt",
        "/" + "x" * 5000,
    ],
)
def test_nothing_outside_the_folder_is_served(
    client: TestClient, web_app: Path, address: str
) -> None:
    (web_app / "link.txt").symlink_to(web_app.parent / "secret.txt")
    (web_app / "linked").symlink_to(web_app.parent, target_is_directory=True)
    answer = client.get("http://localhost:8000" + address)
    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "NotFound"


def test_artifacts_are_not_served_as_files(client: TestClient) -> None:
    for address in ("/data/experiments", "/experiments", "/visualizer_data"):
        assert client.get(address).status_code == 404


def test_an_unknown_api_route_is_a_json_404(client: TestClient) -> None:
    answer = client.get("/api/nothing")
    assert answer.status_code == 404
    assert "/api/nothing" in answer.json()["error"]["message"]


def test_without_a_built_app_the_first_page_says_how_to_build_it(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feature_manifold.server.app.find_web_app", lambda given: None)
    client = make_client(ServerSettings(data_root))
    answer = client.get("/")
    assert answer.status_code == 200
    assert "make web" in answer.text
    assert client.get("/api/experiments").status_code == 200


def test_a_given_folder_without_an_app_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="make web"):
        build_app(ServerSettings(tmp_path, static_folder=tmp_path))


def test_the_packaged_app_comes_before_the_checkouts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "src" / "feature_manifold" / "server"
    monkeypatch.setattr(web_app_module, "__file__", str(package / "web_app.py"))
    assert find_web_app(None) is None
    for folder in (tmp_path / "web" / "dist", tmp_path / "visualizer", package / "static"):
        folder.mkdir(parents=True)
        (folder / "index.html").touch()
        assert find_web_app(None) == folder
