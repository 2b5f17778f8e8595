import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from fastapi.testclient import TestClient
from tests.server.clients import make_client
from tests.server.planted import (
    ALWAYS,
    D_MODEL,
    DEAD,
    EXPERIMENT_ID,
    HOSTILE_VOCABULARY,
    MONDAY,
    MONDAY_BARE,
    MONDAYS,
    SCRIPT,
    Planted,
    plant,
    write_experiment,
)

from feature_manifold.examples.pages import UNKNOWN_TOKEN, latent_page
from feature_manifold.server import graph
from feature_manifold.server.binary import decode_arrays
from feature_manifold.server.schemas import EdgeList, LatentColumns, LatentPageBody, Positions
from feature_manifold.server.settings import ServerSettings
from feature_manifold.store.edges import save_edges
from feature_manifold.store.experiment import Experiment
from feature_manifold.store.layout import DataRoot

BINARY = {"Accept": "application/octet-stream"}


def test_experiments_are_listed_with_what_is_there(client: TestClient, planted: Planted) -> None:
    assert client.get("/api/experiments").json() == {
        "experiments": [
            {
                "id": EXPERIMENT_ID,
                "model": "org/toy",
                "layer": 1,
                "sae_width": "1k",
                "sae_l0": "small",
                "num_tokens": 10,
                "n_latents": planted.n_latents,
                "d_model": D_MODEL,
                "n_firings": len(planted.tokens),
                "layouts": ["cosine", "coactivation"],
                "edges": ["cosine", "jaccard"],
                "has_examples": True,
                "has_clusters": True,
                "problem": None,
            }
        ]
    }


def test_an_experiment_without_finished_folders_still_lists(
    client: TestClient, data_root: Path
) -> None:
    paths = DataRoot(data_root).experiment(EXPERIMENT_ID)
    for folder in (paths.latents, paths.graph, paths.examples):
        (folder / "manifest.json").unlink()
    (listed,) = client.get("/api/experiments").json()["experiments"]
    assert (listed["n_firings"], listed["layouts"], listed["edges"]) == (None, [], [])
    assert listed["has_examples"] is False
    assert listed["problem"] is None


@pytest.mark.parametrize(
    ("folder", "route", "stage"),
    [
        ("graph", "/api/graph", "graph"),
        ("graph", "/api/edges?type=jaccard", "graph"),
        ("examples", "/api/latent/0", "examples"),
        ("examples", "/api/search?q=x", "examples"),
        ("latents", "/api/latents", "index"),
    ],
)
def test_an_unfinished_folder_gives_404_that_says_what_to_type(
    client: TestClient, data_root: Path, folder: str, route: str, stage: str
) -> None:
    (DataRoot(data_root).experiment(EXPERIMENT_ID).root / folder / "manifest.json").unlink()
    answer = client.get(route)
    assert answer.status_code == 404
    error = answer.json()["error"]
    assert error["type"] == "MissingArtifactError"
    assert f"fmi run CONFIG.yaml --only {stage}" in error["message"]


def test_a_damaged_experiment_lists_with_its_problem_and_hides_no_other(
    client: TestClient, data_root: Path, planted: Planted
) -> None:
    write_experiment(data_root, planted, "other_layer1_1k_small")
    (DataRoot(data_root).experiment("other_layer1_1k_small").metadata).write_text("{")
    first, second = client.get("/api/experiments").json()["experiments"]
    assert "not JSON" in first["problem"]
    assert second["problem"] is None


def test_metadata_of_a_wrong_type_is_a_problem_not_a_crash(
    client: TestClient, data_root: Path
) -> None:
    path = DataRoot(data_root).experiment(EXPERIMENT_ID).metadata
    path.write_text(json.dumps({**json.loads(path.read_text()), "layer": "many"}))
    (listed,) = client.get("/api/experiments").json()["experiments"]
    assert "layer" in listed["problem"]


def test_an_unknown_experiment_names_those_that_exist(client: TestClient) -> None:
    for unknown in ("nobody", "../" + EXPERIMENT_ID, "a\0b", ".", ""):
        answer = client.get("/api/latents", params={"experiment_id": unknown})
        assert answer.status_code == 404
        assert EXPERIMENT_ID in answer.json()["error"]["message"]


def test_an_empty_data_root_says_how_to_make_an_experiment(tmp_path: Path, web_app: Path) -> None:
    client = make_client(ServerSettings(tmp_path / "none", static_folder=web_app))
    assert client.get("/api/experiments").json() == {"experiments": []}
    answer = client.get("/api/graph")
    assert answer.status_code == 404
    assert "fmi demo" in answer.json()["error"]["message"]


def test_latents_come_as_columns_with_hostile_labels_as_data(
    client: TestClient, planted: Planted
) -> None:
    body = LatentColumns.model_validate(client.get("/api/latents").json())
    assert body.experiment_id == EXPERIMENT_ID
    assert body.n_latents == planted.n_latents
    (listed,) = client.get("/api/experiments").json()["experiments"]
    assert body.num_tokens == listed["num_tokens"] == 10
    assert body.total_firings == np.bincount(planted.latents, minlength=6).tolist()
    assert body.labels[0] == " Monday"
    assert body.labels[1] == HOSTILE_VOCABULARY[SCRIPT]
    assert body.labels[DEAD] is None
    assert body.max_activation[DEAD] == 0
    assert body.max_activation[ALWAYS] == 9.5


def test_a_label_of_another_vocabulary_is_an_error(client: TestClient, data_root: Path) -> None:
    paths = DataRoot(data_root).experiment(EXPERIMENT_ID)
    (paths.corpus / "vocabulary.json").write_text('["only one"]')
    answer = client.get("/api/latents")
    assert answer.status_code == 409
    assert "vocabulary.json" in answer.json()["error"]["message"]


def test_a_latent_that_fires_on_unknown_tokens_is_not_called_silent(
    client: TestClient, data_root: Path
) -> None:
    path = DataRoot(data_root).experiment(EXPERIMENT_ID).latents / "statistics.npy"
    rows = np.load(path)
    rows["label_token_id"][[0, DEAD]] = -1
    np.save(path, rows)
    labels = client.get("/api/latents").json()["labels"]
    assert (labels[0], labels[DEAD]) == (UNKNOWN_TOKEN, None)
    assert client.get("/api/latent/0").json()["label"] == UNKNOWN_TOKEN


def test_positions_are_the_same_as_json_and_as_binary(client: TestClient, planted: Planted) -> None:
    answer = client.get("/api/graph")
    body = Positions.model_validate(answer.json())
    assert np.array_equal(np.array(body.positions, dtype=np.float32), planted.positions)
    binary = client.get("/api/graph", headers=BINARY)
    assert binary.headers["content-type"] == "application/octet-stream"
    assert "Accept" in binary.headers["vary"]
    assert np.array_equal(decode_arrays(binary.content)["positions"], planted.positions)
    other = client.get("/api/graph?layout=coactivation", headers=BINARY)
    assert np.array_equal(decode_arrays(other.content)["positions"], 1 - planted.positions)


@pytest.mark.parametrize(
    ("accept", "is_binary"),
    [
        ("application/json", False),
        ("*/*", False),
        ("application/octet-stream", True),
        ("application/octet-stream, application/json", True),
        ("application/octet-stream;q=0.5, application/json;q=0.9", False),
        ("application/octet-stream;q=0, */*", False),
        ("application/octet-stream;q=abc", False),
        ("APPLICATION/OCTET-STREAM ; q=1", True),
    ],
)
def test_the_accept_header_chooses_the_body(
    client: TestClient, accept: str, is_binary: bool
) -> None:
    answer = client.get("/api/graph", headers={"Accept": accept})
    assert (answer.headers["content-type"] == "application/octet-stream") is is_binary


def test_too_many_positions_for_json_are_refused_and_sent_as_binary(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "MAX_JSON_POSITIONS", 5)
    answer = client.get("/api/graph")
    assert answer.status_code == 413
    assert "application/octet-stream" in answer.json()["error"]["message"]
    assert client.get("/api/graph", headers=BINARY).status_code == 200


def test_positions_that_are_not_finite_are_an_error_not_null(
    client: TestClient, data_root: Path, planted: Planted
) -> None:
    path = DataRoot(data_root).experiment(EXPERIMENT_ID).graph / "positions.npy"
    broken = planted.positions.copy()
    broken[2, 1] = np.nan
    np.save(path, broken)
    for headers in ({}, BINARY):
        answer = client.get("/api/graph", headers=headers)
        assert answer.status_code == 409
        assert "not finite" in answer.json()["error"]["message"]


def test_a_graph_of_other_latents_is_an_error(
    client: TestClient, data_root: Path, planted: Planted
) -> None:
    folder = DataRoot(data_root).experiment(EXPERIMENT_ID).graph
    np.save(folder / "positions.npy", planted.positions[:3])
    save_edges(folder / "jaccard_similarity.npz", planted.edges[:3, :3])
    for route in ("/api/graph", "/api/edges?type=jaccard"):
        answer = client.get(route)
        assert answer.status_code == 409
        assert answer.json()["error"]["type"] == "CorruptArtifactError"
    message = client.get("/api/graph").json()["error"]["message"]
    assert message.startswith("positions.npy: shape (3, 2), expected (6, 2).")


def test_a_latents_page_shows_its_examples(client: TestClient, planted: Planted) -> None:
    page = LatentPageBody.model_validate(client.get("/api/latent/1").json())
    fires = planted.latents == 1
    assert (page.latent_id, page.total_firings) == (1, 2)
    assert page.label == HOSTILE_VOCABULARY[SCRIPT]
    assert page.activation_stats.max == planted.activations[fires].max()
    assert sum(page.histogram.counts) == 2
    shown = [example.tokens for example in page.examples.top]
    texts = HOSTILE_VOCABULARY
    # The second stops at the end of its window.
    assert shown == [texts[3:6], texts[4:6]]
    for example in page.examples.top:
        assert example.context == "".join(example.tokens)
        assert example.n_firings == len(example.firing_positions)


def test_the_page_of_a_dead_latent_is_empty_not_an_error(client: TestClient) -> None:
    page = LatentPageBody.model_validate(client.get(f"/api/latent/{DEAD}").json())
    assert (page.label, page.total_firings) == (None, 0)
    assert page.examples.top == []
    assert page.activation_stats.max == 0


def test_the_page_is_the_one_that_is_exported(client: TestClient, data_root: Path) -> None:
    experiment = Experiment(DataRoot(data_root).experiment(EXPERIMENT_ID))
    for latent in range(6):
        page = latent_page(experiment, latent)
        assert client.get(f"/api/latent/{latent}").json() == page.to_json()


def reference_edges(
    matrix: sp.csr_matrix, latent: int | None, threshold: float
) -> list[tuple[int, int, float]]:
    """Every edge that fits, strongest first, by looping over the dense matrix."""
    dense = matrix.toarray()
    n_latents = len(dense)
    pairs = (
        [(a, b) for a in range(n_latents) for b in range(a + 1, n_latents)]
        if latent is None
        else [(latent, b) for b in range(n_latents)]
    )
    found = [(a, b, dense[a, b]) for a, b in pairs if dense[a, b] > 0 and dense[a, b] >= threshold]
    return sorted(found, key=lambda edge: (-edge[2], edge[0], edge[1]))


@pytest.mark.parametrize("latent", [None, 0, DEAD, 5])
@pytest.mark.parametrize("threshold", [None, 0.4])
@pytest.mark.parametrize("limit", [1, 3, 100])
def test_edges_are_the_strongest_that_fit(
    client: TestClient, planted: Planted, latent: int | None, threshold: float | None, limit: int
) -> None:
    params = {"latent": latent, "threshold": threshold, "limit": limit}
    params = {name: value for name, value in params.items() if value is not None}
    expected = reference_edges(planted.edges, latent, threshold or 0)
    body = EdgeList.model_validate(client.get("/api/edges", params=params).json())
    assert body.n_edges == len(expected)
    found = [(edge.source, edge.target, np.float32(edge.weight)) for edge in body.edges]
    assert found == expected[:limit]
    arrays = decode_arrays(client.get("/api/edges", params=params, headers=BINARY).content)
    columns = (arrays["source"].tolist(), arrays["target"].tolist(), arrays["weight"])
    assert list(zip(*columns, strict=True)) == expected[:limit]


def test_equal_weights_are_cut_by_latent_id() -> None:
    matrix = sp.csr_matrix(np.ones((5, 5), dtype=np.float32) - np.eye(5, dtype=np.float32))
    found = graph.strongest_edges(matrix, threshold=None, limit=4)
    assert found.n_edges == 10
    assert found.target.tolist() == [1, 2, 3, 4]


def test_other_kinds_of_edges_are_other_edges(client: TestClient) -> None:
    cosine, jaccard = (
        client.get("/api/edges", params={"type": kind, "limit": 1}).json()["edges"][0]["weight"]
        for kind in ("cosine", "jaccard")
    )
    assert jaccard == pytest.approx(cosine / 2)
    missing = client.get("/api/edges?type=coactivation")
    assert missing.status_code == 404
    assert "--skip-coactivation" in missing.json()["error"]["message"]


@pytest.mark.parametrize(
    ("route", "culprit"),
    [
        ("/api/edges?type=nonsense", "type"),
        ("/api/edges?limit=0", "limit"),
        ("/api/edges?limit=999999999", "limit"),
        ("/api/edges?limit=20000", "limit"),
        ("/api/edges?threshold=nan", "threshold"),
        ("/api/edges?latent=-1", "latent"),
        ("/api/edges?latent=6", "latent"),
        ("/api/graph?layout=spiral", "layout"),
        ("/api/latent/abc", "latent_id"),
        ("/api/latent/-1", "latent_id"),
        ("/api/latent/6", "No latent 6"),
        ("/api/latent/99999999999999999999", "No latent"),
        ("/api/search", "q"),
        ("/api/search?q=", "q"),
        ("/api/search?q=x&limit=101", "limit"),
        ("/api/search?q=" + "x" * 201, "q"),
    ],
)
def test_values_out_of_bounds_give_422_naming_the_parameter(
    client: TestClient, route: str, culprit: str
) -> None:
    answer = client.get(route)
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["type"] == "InputError"
    assert error["message"].startswith(culprit)
    assert len(error["message"]) < 400


def search(client: TestClient, text: str, **params: int) -> list[dict]:
    answer = client.get("/api/search", params={"q": text, **params})
    assert answer.status_code == 200
    return answer.json()["tokens"]


def test_search_finds_equal_tokens_then_those_that_hold_the_text(client: TestClient) -> None:
    found = [hit["token_id"] for hit in search(client, " MONday ")]
    assert found == [MONDAY, MONDAY_BARE, MONDAYS]
    assert [hit["token_id"] for hit in search(client, "days")] == [MONDAYS]
    assert [hit["token_id"] for hit in search(client, "monday", limit=1)] == [MONDAY]
    assert search(client, "absent") == []
    assert search(client, " ") == []


def test_search_sorts_latents_by_share_of_their_firings(client: TestClient) -> None:
    (hit,) = search(client, " Monday", limit=1)
    assert hit["latents"] == [{"id": 0, "count": 2, "share": 0.5}]
    hit, *_ = search(client, " Monday", limit=2)
    assert hit["latents"] == [
        {"id": 0, "count": 2, "share": 0.5},
        {"id": ALWAYS, "count": 2, "share": 0.2},
    ]


@pytest.mark.parametrize("token_id", [MONDAYS, SCRIPT, SCRIPT + 1, SCRIPT + 2, SCRIPT + 3])
def test_hostile_tokens_are_found_and_sent_as_data(client: TestClient, token_id: int) -> None:
    answer = client.get("/api/search", params={"q": HOSTILE_VOCABULARY[token_id], "limit": 1})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    (hit,) = answer.json()["tokens"]
    assert (hit["token"], hit["token_id"]) == (HOSTILE_VOCABULARY[token_id], token_id)


def test_an_unchanged_answer_is_not_sent_again(client: TestClient) -> None:
    for route in ("/api/graph", "/api/latents", "/api/edges"):
        first = client.get(route)
        again = client.get(route, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        other = client.get(route, headers={"If-None-Match": 'W/"other"'})
        assert other.content == first.content


def test_a_copy_that_is_first_by_name_is_no_unchanged_answer(
    client: TestClient, data_root: Path
) -> None:
    first = client.get("/api/latents")
    experiments = DataRoot(data_root).experiments
    shutil.copytree(experiments / EXPERIMENT_ID, experiments / "a_copy")
    again = client.get("/api/latents", headers={"If-None-Match": first.headers["etag"]})
    assert again.json() == {**first.json(), "experiment_id": "a_copy"}


def test_long_json_is_compressed_and_the_binary_body_is_not(tmp_path: Path, web_app: Path) -> None:
    client = make_client(ServerSettings(tmp_path, static_folder=web_app))
    document = client.get("/api/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert document.headers["content-encoding"] == "gzip"
    write_experiment(tmp_path, plant(n_latents=600))
    binary = client.get("/api/graph", headers={**BINARY, "Accept-Encoding": "gzip"})
    assert "content-encoding" not in binary.headers
    assert len(binary.content) > 4800
