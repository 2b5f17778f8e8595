"""Measures and coordinates over HTTP: the numbers of the geometry, null where nothing applies."""

import math
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from tests.server.clients import make_client
from tests.server.large import write_large
from tests.server.planted import DEAD, EXPERIMENT_ID

from feature_manifold.core.arrays import Array
from feature_manifold.geometry.cloud import Cloud, build_cloud
from feature_manifold.geometry.clusters.core import core_tokens, count_types
from feature_manifold.geometry.coordinate.coordinate import fit_coordinate
from feature_manifold.geometry.coordinate.order import ordered_types
from feature_manifold.geometry.measures import results
from feature_manifold.geometry.measures.measure import measure_cloud
from feature_manifold.geometry.sampling import display_sample
from feature_manifold.server.binary import decode_arrays, decode_facts
from feature_manifold.server.cache import Abandoned
from feature_manifold.server.clouds import Clouds
from feature_manifold.server.coordinate_schemas import CoordinateAnswer
from feature_manifold.server.library import Library
from feature_manifold.server.measure_schemas import MeasureAnswer, MeasureQuestion
from feature_manifold.server.measuring import measure_answer
from feature_manifold.server.settings import ServerSettings
from feature_manifold.server.work import Job
from feature_manifold.store.experiment import Experiment
from feature_manifold.store.layout import DataRoot
from feature_manifold.store.npy import save_npy

N_LATENTS, N_TYPES = 150, 40
# So many that they fire on most tokens: then most types are core.
MEMBERS = list(range(100))
MEASURES, COORDINATE = "/api/cluster/measures", "/api/cluster/coordinate"
QUICK = replace(results.EFFORTS["survey"], rounds=3, resamples=3, points=128, landmarks=32)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("measures") / "data"
    write_large(
        folder,
        n_latents=N_LATENTS,
        n_firings=30_000,
        n_vocabulary=N_TYPES,
        edges_per_latent=4,
    )
    rows = np.random.default_rng(3).normal(size=(N_LATENTS, 24)).astype(np.float32)
    save_npy(DataRoot(folder).experiment(EXPERIMENT_ID).decoder, rows)
    return folder


@pytest.fixture
def many(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setitem(results.EFFORTS, "survey", QUICK)
    with make_client(ServerSettings(root)) as client:
        yield client


def cluster(root: Path) -> tuple[Experiment, Cloud, Array, Array]:
    """Return the cloud, its token ids and core types, made without the server."""
    experiment = Experiment(DataRoot(root).experiment(EXPERIMENT_ID))
    cloud = build_cloud(experiment.by_latent, experiment.decoder, MEMBERS)
    token_ids = experiment.tokens.token_id
    core = core_tokens(
        np.asarray(cloud.activations.sum(axis=1)).ravel(),
        token_ids[cloud.tokens],
        occurrences=count_types(token_ids, n_types=N_TYPES),
    )
    assert len(core) > 3
    return experiment, cloud, token_ids[cloud.tokens], core


def ask(client: TestClient, route: str, **question: Any) -> dict[str, Any]:
    answer = client.post(route, json=question)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_measures_are_those_of_the_geometry(many: TestClient, root: Path) -> None:
    body = MeasureAnswer.model_validate(
        ask(many, MEASURES, latents=MEMBERS, seed=7, concept="weekdays")
    )
    _, cloud, token_ids, core = cluster(root)
    expected = measure_cloud(cloud, token_ids, core_types=core, seed=7, effort="survey")
    assert (body.n_points, body.n_core_types) == (cloud.n_points, len(core))
    assert [one.name for one in body.measures] == list(expected)
    for one in body.measures:
        wanted = expected[one.name]
        for found, value in ((one.value, wanted.value), (one.low, wanted.low)):
            assert found == (None if math.isnan(value) else value)
        assert {null.name: null.p for null in one.nulls} == {
            name: None if math.isnan(null.p) else null.p for name, null in wanted.nulls.items()
        }
    coverage = {one.name: one.value for one in body.concept_measures}["concept_coverage"]
    # No word of this corpus is a weekday.
    assert coverage == 0
    defined = many.get("/api/measures").json()["measures"]
    assert {one["name"] for one in defined} >= set(expected)


def test_a_coordinate_is_that_of_the_geometry(many: TestClient, root: Path) -> None:
    question = {"latents": MEMBERS, "kind": "circle", "max_points": 50, "seed": 4}
    body = CoordinateAnswer.model_validate(ask(many, COORDINATE, **question))
    experiment, cloud, token_ids, core = cluster(root)
    fit = fit_coordinate(cloud, token_ids, core_types=core, kind="circle", seed=4)
    rows = display_sample(cloud, 50, 4).rows
    assert body.tokens == cloud.tokens[rows].tolist()
    assert np.array_equal(np.float32(body.values), fit.values[rows].astype(np.float32))
    assert [one.token_id for one in body.types] == ordered_types(fit).tolist()
    assert [one.text for one in body.types] == [
        experiment.vocabulary[one.token_id] for one in body.types
    ]
    assert (body.axes[0].is_angle, body.explained) == (True, fit.explained)
    assert [one.latent for one in body.tuning] == MEMBERS
    assert len(body.tuning[0].mean) == len(body.places) == len(body.counts) == 24
    assert sorted(one.latent for one in body.influences) == MEMBERS


def test_json_and_binary_say_the_same(many: TestClient) -> None:
    question = {"latents": MEMBERS, "max_points": 20, "kind": "surface", "n_places": 5}
    as_json = ask(many, COORDINATE, **question)
    CoordinateAnswer.model_validate(as_json)
    headers = {"Accept": "application/octet-stream"}
    body = many.post(COORDINATE, json=question, headers=headers).content
    arrays, facts = decode_arrays(body), decode_facts(body)
    assert facts == {name: value for name, value in as_json.items() if name not in arrays}
    for name, array in arrays.items():
        assert np.array_equal(np.array(as_json[name], dtype=array.dtype), array), name
    assert arrays["values"].shape == (20, 2)
    assert as_json["gaps"] == []


def test_what_has_no_shape_is_refused_or_not_applicable(client: TestClient) -> None:
    refused = client.post(COORDINATE, json={"latents": [DEAD]})
    assert refused.status_code == 422
    assert "core token types" in refused.json()["error"]["message"]
    silent = MeasureAnswer.model_validate(ask(client, MEASURES, latents=[DEAD]))
    assert (silent.n_points, {one.value for one in silent.measures}) == (0, {None})
    unknown = client.post(MEASURES, json={"latents": [0], "concept": "nothing"})
    assert unknown.status_code == 404


def test_measuring_stops_when_nobody_waits(root: Path) -> None:
    library, job = Library(root), Job(60)
    question = MeasureQuestion(latents=MEMBERS, effort="full")
    # Of a hundred samples and four hundred draws, some tens of seconds.
    threading.Timer(0.3, job.stop).start()
    with pytest.raises(Abandoned):
        measure_answer(library, Clouds(), question, None, job)


def test_measuring_has_a_queue_of_its_own(client: TestClient) -> None:
    client.app.state.slow_work.capacity = 0
    assert client.post(MEASURES, json={"latents": [0]}).status_code == 429
    assert client.post("/api/cluster/pca", json={"latents": [0]}).status_code == 200
