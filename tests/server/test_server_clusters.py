"""Clouds and principal axes over HTTP: the numbers of the geometry, whoever else asks."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from starlette.types import Message
from tests.server.clients import make_client
from tests.server.edits import BINARY, User, play
from tests.server.large import write_large
from tests.server.planted import ALWAYS, DEAD, EXPERIMENT_ID, HOSTILE_VOCABULARY

from feature_manifold.geometry import cloud as cloud_module
from feature_manifold.geometry.cloud import build_cloud
from feature_manifold.geometry.clusters.core import core_tokens, count_types
from feature_manifold.geometry.pca import arrows, fit_pca, project
from feature_manifold.geometry.sampling import display_sample
from feature_manifold.server import clouds as clouds_module, points as points_module
from feature_manifold.server.app import build_app
from feature_manifold.server.binary import decode_arrays, decode_facts
from feature_manifold.server.clouds import Clouds, cloud_bytes
from feature_manifold.server.cluster_schemas import CloudAnswer, PcaAnswer
from feature_manifold.server.library import Library
from feature_manifold.server.settings import ServerSettings
from feature_manifold.server.work import Job
from feature_manifold.store.experiment import Experiment
from feature_manifold.store.layout import DataRoot
from feature_manifold.store.npy import save_npy

N_LATENTS = 300
D_MODEL = 24
MEMBERS = [5, 1, 9, 1, 30]
CLOUD, PCA = "/api/cluster/cloud", "/api/cluster/pca"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clusters") / "data"
    write_large(folder, n_latents=N_LATENTS, n_firings=60_000, n_vocabulary=50, edges_per_latent=10)
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(N_LATENTS, D_MODEL)).astype(np.float32)
    rows[9] = rows[5]
    save_npy(DataRoot(folder).experiment(EXPERIMENT_ID).decoder, rows)
    return folder


@pytest.fixture(scope="module")
def experiment(root: Path) -> Experiment:
    return Experiment(DataRoot(root).experiment(EXPERIMENT_ID))


@pytest.fixture
def many(root: Path) -> Iterator[TestClient]:
    with make_client(ServerSettings(root)) as client:
        yield client


def ask(client: TestClient, route: str, **question: Any) -> dict[str, Any]:
    answer = client.post(route, json=question)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ask_binary(client: TestClient, route: str, **question: Any) -> bytes:
    answer = client.post(route, json=question, headers=BINARY)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/octet-stream"
    return answer.content


def test_axes_and_points_are_those_of_the_geometry(
    many: TestClient, experiment: Experiment
) -> None:
    question = {"latents": MEMBERS, "n_components": 3, "max_points": 100, "seed": 5}
    body = PcaAnswer.model_validate(ask(many, PCA, **question))
    cloud = build_cloud(experiment.by_latent, experiment.decoder, MEMBERS)
    pca, sample = fit_pca(cloud, 3), display_sample(cloud, 100, 5)
    assert body.latents == [1, 5, 9, 30]
    assert (body.n_points, body.n_kept, body.n_shown) == (cloud.n_points, cloud.n_points, 100)
    assert body.sampling.method == "stratified"
    assert body.sampling.shown_by_latent == sample.shown.tolist()
    assert body.sampling.points_by_latent == sample.of.tolist()
    assert (body.rank, body.n_fitted) == (3, cloud.n_points)
    assert np.array_equal(np.float32(body.points), project(cloud, pca)[sample.rows])
    assert [axis.direction for axis in body.axes] == pca.axes.tolist()
    assert [axis.share for axis in body.axes] == pca.share.tolist()
    assert body.axes[0].label == f"PC1 ({100 * pca.share[0]:.1f} %)"
    assert body.arrows == arrows(cloud, pca).tolist()
    rows = cloud.tokens[sample.rows]
    assert body.tokens == rows.tolist()
    assert body.token_ids == experiment.tokens.token_id[rows].tolist()
    assert body.texts == [f" word{number}" for number in body.token_ids]
    activations = cloud.activations[sample.rows].toarray()
    assert body.n_active == np.count_nonzero(activations, axis=1).tolist()
    assert body.strongest == cloud.latents[activations.argmax(axis=1)].tolist()


@pytest.mark.parametrize("route", [CLOUD, PCA])
def test_json_and_binary_say_the_same(many: TestClient, route: str) -> None:
    question = {"latents": MEMBERS, "max_points": 50, "min_active": 2, "unit": True}
    as_json, body = ask(many, route, **question), ask_binary(many, route, **question)
    arrays, facts = decode_arrays(body), decode_facts(body)
    texts = facts.pop("texts")
    assert {**facts, "texts": as_json["texts"]} == {
        name: value for name, value in as_json.items() if name not in arrays
    }
    for name, array in arrays.items():
        assert np.array_equal(np.array(as_json[name], dtype=array.dtype), array), name
    assert [texts[str(token_id)] for token_id in as_json["token_ids"]] == as_json["texts"]
    assert min(as_json["n_active"]) == 2


def test_the_cloud_has_the_distances_of_the_model(many: TestClient, experiment: Experiment) -> None:
    body = CloudAnswer.model_validate(ask(many, CLOUD, latents=MEMBERS, min_norm=3.0))
    cloud = build_cloud(experiment.by_latent, experiment.decoder, MEMBERS)
    wide = cloud.activations @ np.asarray(experiment.decoder[cloud.latents], dtype=np.float64)
    wide = wide[np.linalg.norm(wide, axis=1) >= 3.0]
    points = np.array(body.points)
    assert (body.n_points, body.n_kept, body.n_dimensions) == (cloud.n_points, len(wide), 4)
    assert np.allclose(points @ points.T, wide @ wide.T, rtol=1e-5, atol=1e-4)
    unit = np.array(ask(many, CLOUD, latents=MEMBERS, unit=True)["points"])
    assert np.allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("fit_on", ["type_means", "core_means"])
def test_axes_may_be_fitted_to_mean_points(
    many: TestClient, experiment: Experiment, fit_on: str
) -> None:
    members = list(range(120))
    body = PcaAnswer.model_validate(ask(many, PCA, latents=members, fit_on=fit_on, centred=False))
    cloud = build_cloud(experiment.by_latent, experiment.decoder, members)
    token_ids = experiment.tokens.token_id
    types = None
    if fit_on == "core_means":
        mass = np.asarray(cloud.activations.sum(axis=1)).ravel()
        types = core_tokens(
            mass, token_ids[cloud.tokens], occurrences=count_types(token_ids, n_types=50)
        )
        assert 3 < len(types) <= 50
    pca = fit_pca(
        cloud,
        3,
        centred=False,
        fit_on="type_means",
        token_ids=token_ids[cloud.tokens],
        types=types,
    )
    assert body.n_fitted == pca.n_fitted
    assert [axis.variance for axis in body.axes] == pca.variances.tolist()


def test_axes_follow_those_that_the_client_saw(many: TestClient) -> None:
    first = ask(many, PCA, latents=MEMBERS, n_components=3)
    turned = [[-x for x in axis["direction"]] for axis in first["axes"]]
    reference = {"latents": MEMBERS, "directions": turned}
    followed = ask(many, PCA, latents=MEMBERS, n_components=3, reference=reference)
    assert np.array_equal(-np.array(followed["points"]), np.array(first["points"]))
    plain = ask(many, PCA, latents=MEMBERS, n_components=3, reference={"latents": MEMBERS})
    assert plain["points"] == first["points"]


def test_silent_members_and_rows_of_zero_are_no_error(client: TestClient) -> None:
    silent = ask(client, PCA, latents=[DEAD])
    assert (silent["n_points"], silent["points"], silent["axes"]) == (0, [], [])
    assert (silent["arrows"], silent["strongest"]) == ([[]], [])
    # Its decoder row is zero: all points lie at the origin.
    always = ask(client, PCA, latents=[ALWAYS])
    assert (always["n_points"], always["rank"], always["points"][0]) == (10, 0, [])
    assert HOSTILE_VOCABULARY[4] in always["texts"]
    assert ask(client, CLOUD, latents=[ALWAYS], unit=True)["points"][0] == [0.0]


@pytest.mark.parametrize(
    ("question", "culprit"),
    [
        ({"latents": []}, "latents"),
        ({"latents": [6]}, "latents: there is no latent 6"),
        ({"latents": [-1]}, "latents"),
        ({"latents": ["1"]}, "latents"),
        ({"latents": [True]}, "latents"),
        ({"latents": list(range(300))}, "latents"),
        ({"latents": [0], "n_components": 65}, "n_components"),
        ({"latents": [0], "max_points": 0}, "max_points"),
        ({"latents": [0], "seed": -1}, "seed"),
        ({"latents": [0], "unknown": 1}, "unknown"),
        ({"latents": [0], "reference": {"latents": [9]}}, "latents: there is no latent 9"),
        ({"latents": [0], "reference": {"latents": [0], "directions": [[1, 0]]}}, "reference"),
        ({"latents": [0], "reference": {"latents": [0], "directions": [[2]]}}, "reference"),
    ],
)
def test_bad_questions_give_422_naming_the_field(
    client: TestClient, question: dict[str, Any], culprit: str
) -> None:
    answer = client.post(PCA, json=question)
    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith(culprit)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[" * 100_000, b'{"latents": [1e999]}', b"\xff", b"9" * 5000]
)
def test_bodies_that_are_no_question_give_422(client: TestClient, content: bytes) -> None:
    answer = client.post(PCA, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["error"]["type"] == "InputError"


def test_too_many_firings_or_numbers_give_413(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(points_module, "MAX_JSON_NUMBERS", 3)
    assert client.post(CLOUD, json={"latents": [0]}).status_code == 413
    assert client.post(CLOUD, json={"latents": [0]}, headers=BINARY).status_code == 200
    monkeypatch.setattr(points_module, "MAX_NUMBERS", 3)
    answer = client.post(CLOUD, json={"latents": [0]}, headers=BINARY)
    assert answer.status_code == 413
    assert "at most 3" in answer.json()["error"]["message"]
    monkeypatch.setattr(clouds_module, "MAX_FIRINGS", 5)
    answer = client.post(CLOUD, json={"latents": [0, ALWAYS]})
    assert answer.status_code == 413
    assert "14 times" in answer.json()["error"]["message"]


def test_an_edit_reads_only_the_latent_that_came(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, clouds, job = Library(root).open(None), Clouds(), Job(60)
    first = clouds.cloud(opened, [1, 2, 3], job)
    monkeypatch.setattr(cloud_module, "build_cloud", None)
    more = clouds.cloud(opened, [1, 2, 3, 4], job)
    less = clouds.cloud(opened, [2, 3], job)
    assert clouds.n_bytes == sum(map(cloud_bytes, (first, more, less)))
    with pytest.raises(TypeError):
        clouds.cloud(opened, [7, 8, 9], job)


def test_the_clouds_kept_are_bounded_in_bytes(root: Path) -> None:
    opened, job = Library(root).open(None), Job(60)
    size = cloud_bytes(Clouds().cloud(opened, [0, 1], job))
    clouds = Clouds(4 * size)
    for latent in range(1, 40):
        clouds.cloud(opened, [0, latent], job)
        assert clouds.n_bytes <= 4 * size
    assert clouds.n_bytes > size


def test_users_at_the_same_time_get_the_answers_of_a_single_user(root: Path) -> None:
    n_users, n_edits = 6, 20

    def users() -> list[User]:
        return [User(seed, n_latents=N_LATENTS, max_points=400) for seed in range(n_users)]

    with make_client(ServerSettings(root)) as client, ThreadPoolExecutor(n_users) as pool:
        together = list(
            pool.map(
                lambda user: play(user, n_edits, lambda q: ask_binary(client, PCA, **q)),
                users(),
            )
        )
    with make_client(ServerSettings(root)) as client:
        # Nothing is kept: every answer is of a cloud built anew.
        client.app.state.clouds = Clouds(0)
        alone = [play(user, n_edits, lambda q: ask_binary(client, PCA, **q)) for user in users()]
    assert together == alone


def test_fifty_first_requests_at_the_same_time_load_once(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[list[int]] = []
    opened: list[str] = []
    real_build, real_vocabulary = cloud_module.build_cloud, Experiment.vocabulary.func

    def build(firings: Any, decoder: Any, latents: list[int]) -> Any:
        built.append(latents)
        return real_build(firings, decoder, latents)

    def vocabulary(experiment: Experiment) -> list[str]:
        opened.append(experiment.id)
        return real_vocabulary(experiment)

    monkeypatch.setattr(cloud_module, "build_cloud", build)
    monkeypatch.setattr(Experiment.vocabulary, "func", vocabulary)
    ready = threading.Barrier(50)
    with make_client(ServerSettings(root)) as client:
        client.app.state.work.capacity = 50

        def first(_: int) -> bytes:
            ready.wait(30)
            return ask_binary(client, PCA, latents=MEMBERS, max_points=10)

        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(first, range(50)))
    assert len(set(answers)) == 1
    assert (len(built), len(opened)) == (1, 1)


def test_work_for_a_client_that_left_stops_at_the_next_step(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = build_app(ServerSettings(root))
    begun, released = threading.Event(), threading.Event()
    projected: list[object] = []

    def sample(*arguments: Any) -> Any:
        begun.set()
        assert released.wait(10)
        return display_sample(*arguments)

    monkeypatch.setattr(points_module, "display_sample", sample)
    monkeypatch.setattr(points_module, "project", lambda *arguments: projected.append(arguments))
    body = json.dumps({"latents": MEMBERS}).encode()
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await asyncio.to_thread(begun.wait, 10)
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    sent: list[Message] = []
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {
        **{"type": "http", "method": "POST", "path": PCA, "raw_path": PCA.encode()},
        **{"query_string": b"", "headers": headers, "http_version": "1.1", "scheme": "http"},
    }
    asyncio.run(app(scope, receive, send))
    # The route has ended while its thread is still in a step.
    assert sent[0]["status"] == 503
    assert app.state.work.n_jobs == 1
    released.set()
    end = time.monotonic() + 10
    while app.state.work.n_jobs:
        assert time.monotonic() < end
        time.sleep(0.005)
    assert projected == []


def test_a_full_queue_answers_429_with_a_time_to_wait(client: TestClient) -> None:
    client.app.state.work.capacity = 0
    answer = client.post(CLOUD, json={"latents": [0]})
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["error"]["type"] == "BusyError"
    # Light requests are answered all the same.
    assert client.get("/api/latent/0").status_code == 200
    assert client.get("/api/health").json() == {"status": "ok"}
