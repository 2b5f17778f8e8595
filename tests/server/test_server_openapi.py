import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from feature_manifold.server.openapi import openapi_document
from feature_manifold.server.schemas import Body

ROUTES = {
    "GET /api/health",
    "GET /api/server",
    "GET /api/experiments",
    "GET /api/latents",
    "GET /api/latent/{latent_id}",
    "GET /api/graph",
    "GET /api/edges",
    "GET /api/search",
    "GET /api/search/text",
    "GET /api/search/labels",
    "POST /api/search/tokens",
    "POST /api/search/rows",
    "GET /api/latent/{latent_id}/similar",
    "POST /api/contexts",
    "GET /api/concepts",
    "GET /api/concepts/{name}/cluster",
    "POST /api/concepts/cluster",
    "GET /api/clusters",
    "GET /api/clusters/{cluster}",
    "POST /api/cluster/cloud",
    "POST /api/cluster/pca",
    "POST /api/cluster/coordinate",
    "POST /api/cluster/measures",
    "GET /api/measures",
    "GET /api/workspace",
    "POST /api/workspace",
    "GET /api/workspace/export",
    "POST /api/workspace/import",
    "GET /api/workspace/{item_id}",
    "PUT /api/workspace/{item_id}",
    "DELETE /api/workspace/{item_id}",
}
WITHOUT_EXPERIMENT = {
    "GET /api/health",
    "GET /api/server",
    "GET /api/experiments",
    "GET /api/concepts",
    "GET /api/measures",
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


@cache
def operations() -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in openapi_document()["paths"].items()
        for method, operation in methods.items()
    }


@cache
def schemas() -> dict[str, dict[str, Any]]:
    return openapi_document()["components"]["schemas"]


def test_every_route_has_a_summary_a_model_and_examples_of_errors() -> None:
    assert set(operations()) == ROUTES
    for route, operation in operations().items():
        assert operation["summary"], route
        assert operation["description"], route
        answers = operation["responses"]
        assert "$ref" in answers["200"]["content"]["application/json"]["schema"]
        for status, answer in answers.items():
            if status != "200":
                example = answer["content"]["application/json"]["example"]
                assert set(example["error"]) == {"type", "message"}
        expected = {"401"} if route in WITHOUT_EXPERIMENT else {"401", "404", "409", "422"}
        expected |= {"413"} if "requestBody" in operation else set()
        expected |= {"403"} if route.split()[0] in {"PUT", "DELETE"} else set()
        assert expected <= set(answers), route


def test_every_field_and_parameter_is_described() -> None:
    for route, operation in operations().items():
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), f"{route}: {parameter['name']}"
    for name, schema in schemas().items():
        assert schema.get("description"), name
        for field, part in schema["properties"].items():
            # The document keeps no description beside a reference: the schema has its own.
            assert part.get("description") or "$ref" in part, f"{name}.{field}"


def named(content: dict[str, Any]) -> str:
    return content["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]


@pytest.mark.parametrize("route", sorted(ROUTES))
def test_questions_and_answers_have_examples_that_are_valid(route: str) -> None:
    operation = operations()[route]
    names = [named(operation["responses"]["200"]["content"])]
    if "requestBody" in operation:
        names.append(named(operation["requestBody"]["content"]))
    for name in names:
        assert "example" in schemas()[name], name
        # Not the document's: there, keys that are null are left out.
        example = model(name).model_config["json_schema_extra"]["example"]
        model(name).model_validate(example)


def model(name: str) -> type[Body]:
    found, waiting = {}, [Body]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            found[kind.__name__] = kind
            waiting.append(kind)
    return found[name]


@pytest.mark.parametrize(
    "route",
    [
        *("GET /api/graph", "GET /api/edges", "POST /api/cluster/cloud"),
        *("POST /api/cluster/pca", "POST /api/cluster/coordinate"),
    ],
)
def test_the_binary_body_is_documented(route: str) -> None:
    answer = operations()[route]["responses"]["200"]
    assert set(answer["content"]) == {"application/json", "application/octet-stream"}


LIGHT = """
import sys
from functools import cache
from pathlib import Path
from fastapi.testclient import TestClient
from feature_manifold.server.app import build_app
from feature_manifold.server.settings import ServerSettings

client = TestClient(build_app(ServerSettings(Path(sys.argv[1]))), base_url="http://localhost")
routes = "health server experiments latents graph edges?limit=5 latent/0 latent/0/similar "
routes += "search?q=m search/labels?q=m search/text?q=Monday concepts clusters workspace"
for route in routes.split():
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
