import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from feature_manifold.server.openapi import openapi_document

ROUTES = {
    "/api/experiments",
    "/api/latents",
    "/api/latent/{latent_id}",
    "/api/graph",
    "/api/edges",
    "/api/search",
}
WRITE = "import json, sys; from feature_manifold.server.openapi import openapi_document as d; "
WRITE += "sys.stdout.write(json.dumps(d()))"


def test_the_document_is_the_same_in_every_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WRITE],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        check=True,
    )
    assert done.stdout == json.dumps(openapi_document()).encode()


def test_the_document_is_the_one_that_is_served(client: TestClient) -> None:
    assert client.get("/api/openapi.json").json() == openapi_document()


def test_every_route_has_a_summary_a_model_and_examples_of_errors() -> None:
    paths = openapi_document()["paths"]
    assert set(paths) == ROUTES
    for route in paths.values():
        (operation,) = route.values()
        assert operation["summary"]
        assert operation["description"]
        answers = operation["responses"]
        assert "$ref" in answers["200"]["content"]["application/json"]["schema"]
        for status, answer in answers.items():
            if status != "200":
                example = answer["content"]["application/json"]["example"]
                assert set(example["error"]) == {"type", "message"}
    for route in ROUTES - {"/api/experiments"}:
        assert {"401", "404", "409", "422"} <= set(paths[route]["get"]["responses"])


@pytest.mark.parametrize("route", ["/api/graph", "/api/edges"])
def test_the_binary_body_is_documented(route: str) -> None:
    answer = openapi_document()["paths"][route]["get"]["responses"]["200"]
    assert set(answer["content"]) == {"application/json", "application/octet-stream"}


LIGHT = """
import sys
from pathlib import Path
from fastapi.testclient import TestClient
from feature_manifold.server.app import build_app
from feature_manifold.server.settings import ServerSettings

client = TestClient(build_app(ServerSettings(Path(sys.argv[1]))), base_url="http://localhost")
for route in ("experiments", "latents", "graph", "edges?limit=5", "latent/0", "search?q=m"):
    answer = client.get(f"/api/{route}")
    assert answer.status_code == 200, answer.text
heavy = {"torch", "umap", "sklearn", "numba", "transformers", "datasets", "sae_lens", "pandas"}
sys.stdout.write(",".join(sorted(heavy & set(sys.modules))))
"""


def test_the_server_answers_without_heavy_packages(data_root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIGHT, str(data_root)], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
