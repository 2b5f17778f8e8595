"""Requests made from the OpenAPI document by Schemathesis: what it says is what the server does."""

import os
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from tests.server.planted import EXPERIMENT_ID, Planted, write_experiment

from feature_manifold.server.app import build_app
from feature_manifold.server.openapi import openapi_document
from feature_manifold.server.settings import ServerSettings

EXAMPLES = int(os.environ.get("FMI_CONTRACT_EXAMPLES", "6"))
"""Requests of each kind and route."""
N_LATENTS, N_ROWS = 6, 12

# Some of what a question may name depends on the experiment: a column, a text, a list of words.
# A body may be refused for its length before anybody reads it.
CONFIG = {
    "checks": {
        "positive_data_acceptance": {"expected-statuses": ["2xx", 404, 409, 422]},
        "negative_data_rejection": {"expected-statuses": [404, 405, 409, 413, 422]},
    }
}


def narrowed(part: Any) -> Any:
    """Return the document for one experiment: with its id, its latents and its rows.

    Otherwise nearly every request would end at an id that is not there.
    """
    if isinstance(part, list):
        return [narrowed(item) for item in part]
    if not isinstance(part, dict):
        return part
    found = {name: narrowed(value) for name, value in part.items()}
    if part.get("name") == "experiment_id":
        found["schema"] = {"type": "string", "enum": [EXPERIMENT_ID]}
    if part.get("name") == "latent_id":
        found["schema"] = {"type": "integer", "minimum": 0, "exclusiveMaximum": N_LATENTS}
    for name, bound in (("latents", N_LATENTS), ("rows", N_ROWS)):
        if "exclusiveMaximum" in str(part.get(name, "")):
            found[name]["items"]["exclusiveMaximum"] = bound
    if "maxLength" in str(part.get("experiment_id", "")):
        found["experiment_id"] = {"enum": [EXPERIMENT_ID, None]}
    return found


SCHEMA = schemathesis.openapi.from_dict(
    narrowed(openapi_document()), config=SchemathesisConfig.from_dict(CONFIG)
)
OPERATIONS = {operation.ok().label: operation.ok() for operation in SCHEMA.get_all_operations()}
CASES = [
    pytest.param(route, mode, id=f"{route} {mode.value}")
    for route, operation in OPERATIONS.items()
    for mode in GenerationMode
    # Where there is nothing to ask, nothing can be asked wrongly.
    if mode == GenerationMode.POSITIVE
    or operation.body
    or operation.query
    or operation.path_parameters
]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, planted: Planted) -> FastAPI:
    root = tmp_path_factory.mktemp("contract") / "data"
    write_experiment(root, planted)
    assert (planted.n_latents, len(planted.token_id)) == (N_LATENTS, N_ROWS)
    return build_app(ServerSettings(root))


@pytest.mark.parametrize(("route", "mode"), CASES)
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_every_route_does_what_its_document_says(
    app: FastAPI, route: str, mode: GenerationMode, data: Any
) -> None:
    case = data.draw(OPERATIONS[route].as_strategy(generation_mode=mode))
    case.call_and_validate(base_url="http://localhost", app=app)
