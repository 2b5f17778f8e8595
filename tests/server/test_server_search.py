"""Searches, contexts, concepts and discovered clusters over HTTP."""

from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from tests.server.planted import (
    ALWAYS,
    DEAD,
    EXPERIMENT_ID,
    HOSTILE_VOCABULARY,
    MONDAY,
    MONDAY_BARE,
    MONDAYS,
    SCRIPT,
    Planted,
)


def get(client: TestClient, route: str, **params: Any) -> dict[str, Any]:
    answer = client.get(route, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def post(client: TestClient, route: str, **question: Any) -> dict[str, Any]:
    answer = client.post(route, json=question)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_text_finds_the_latents_that_fire_on_it_more_than_elsewhere(
    client: TestClient, planted: Planted
) -> None:
    found = get(client, "/api/search/text", q="Monday", order="count")
    assert (found["how"], found["token_ids"], found["tokens"]) == (
        "entry",
        [[MONDAY]],
        [[" Monday"]],
    )
    rows = np.flatnonzero(planted.token_id == MONDAY)
    assert (found["n_occurrences"], found["n_used"], found["is_exact"]) == (2, 2, True)
    by_latent = {one["latent"]: one for one in found["latents"]}
    assert by_latent.keys() == {0, ALWAYS}
    own = planted.activations[(planted.latents == 0) & np.isin(planted.tokens, rows)]
    assert by_latent[0]["fires_here"] == 2
    assert by_latent[0]["lift"] == pytest.approx((2 / 2) / (4 / 10))
    assert by_latent[0]["activation_here"] == pytest.approx(own.astype(float).mean())
    assert by_latent[ALWAYS]["lift"] == pytest.approx(1)


def test_entries_and_rows_find_the_same_latents(client: TestClient, planted: Planted) -> None:
    rows = np.flatnonzero(np.isin(planted.token_id, [MONDAY, SCRIPT])).tolist()
    by_entry = post(client, "/api/search/tokens", token_ids=[SCRIPT, MONDAY])
    assert by_entry == post(client, "/api/search/rows", rows=rows)
    assert by_entry["n_occurrences"] == len(rows)


def test_labels_are_found_by_a_part_of_them(client: TestClient) -> None:
    found = get(client, "/api/search/labels", q="SCRIPT>")
    labels = {one["latent"]: one["label"] for one in found["latents"]}
    assert labels[1] == HOSTILE_VOCABULARY[SCRIPT]
    assert get(client, "/api/search/labels", q="absent")["latents"] == []


def test_neighbours_come_with_every_weight(client: TestClient, planted: Planted) -> None:
    found = get(client, "/api/latent/0/similar", type="cosine", limit=2)["neighbours"]
    weights = planted.edges.toarray()[0]
    best = np.argsort(-weights, kind="stable")[:2]
    assert [one["latent"] for one in found] == best.tolist()
    assert found[0]["score"] == found[0]["weights"]["cosine"] == pytest.approx(weights[best[0]])
    assert found[0]["weights"]["coactivation"] is None
    merged = get(client, "/api/latent/0/similar")["neighbours"]
    assert {one["latent"] for one in merged} == set(np.flatnonzero(weights).tolist())
    assert merged[0]["weights"]["jaccard"] == pytest.approx(merged[0]["weights"]["cosine"] / 2)
    assert get(client, f"/api/latent/{DEAD}/similar")["neighbours"] == []


def test_contexts_show_text_and_summed_activations(client: TestClient, planted: Planted) -> None:
    found = post(client, "/api/contexts", rows=[8, 1], context=1, latents=[5, ALWAYS, 5])
    first, second = found["contexts"]
    assert (first["row"], first["start"], first["marked"]) == (8, 7, 1)
    assert first["tokens"] == [HOSTILE_VOCABULARY[token] for token in planted.token_id[7:10]]
    # The put-in BOS before it is no text.
    assert (second["start"], second["marked"]) == (1, 0)
    for context in (first, second):
        at = np.arange(context["start"], context["start"] + len(context["tokens"]))
        sums = [
            planted.activations[(planted.tokens == row) & np.isin(planted.latents, [5, ALWAYS])]
            .astype(float)
            .sum()
            for row in at
        ]
        assert context["activations"] == pytest.approx(sums)
    silent = post(client, "/api/contexts", rows=[3])["contexts"][0]
    assert set(silent["activations"]) == {0.0}


def test_every_concept_is_listed(client: TestClient) -> None:
    concepts = {one["name"]: one for one in get(client, "/api/concepts")["concepts"]}
    week = concepts["weekdays"]
    assert (week["kind"], len(week["words"]), week["period"]) == ("circular", 7, 7)
    assert len(week["values"]) == 7


def test_a_concept_finds_its_latents(client: TestClient) -> None:
    found = get(client, "/api/concepts/weekdays/cluster", share=0.4)
    assert (found["name"], found["steps"][0]["label"]) == ("weekdays", "Monday")
    assert set(found["steps"][0]["token_ids"]) >= {MONDAY, MONDAY_BARE}
    assert "Tuesday" in found["unmatched"]
    for member, row in zip(found["members"], found["tuning"], strict=True):
        assert member["share"] > 0.4
        # Steps without rows are not applicable, not silent.
        assert row[0] is not None
        assert row[1] is None
    own = post(
        client,
        "/api/concepts/cluster",
        name="mine",
        kind="ordered",
        words=[["Monday"], ["Mondays"]],
        share=0.4,
    )
    assert own["name"] == "mine"
    assert own["steps"][1]["token_ids"] == [MONDAYS]


@pytest.mark.parametrize(
    ("route", "question", "status"),
    [
        ("/api/search/tokens", {"token_ids": []}, 422),
        ("/api/search/rows", {"rows": [12]}, 422),
        ("/api/contexts", {"rows": [99]}, 422),
        ("/api/contexts", {"rows": [1], "latents": [6]}, 422),
        ("/api/contexts", {"rows": [1], "context": 201}, 422),
        ("/api/concepts/cluster", {"name": "a b", "kind": "ordered", "words": [["a"], ["b"]]}, 422),
        ("/api/concepts/cluster", {"name": "x", "kind": "ordered", "words": [["a"], ["b"]]}, 422),
    ],
)
def test_questions_out_of_bounds_are_refused(
    client: TestClient, route: str, question: dict[str, Any], status: int
) -> None:
    answer = client.post(route, json=question)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"type", "message"}


def test_unknown_names_are_not_found(client: TestClient) -> None:
    assert client.get("/api/concepts/nothing/cluster").status_code == 404
    assert client.get("/api/search/text", params={"q": "\u2603"}).status_code == 422
    assert client.get("/api/clusters/3").status_code == 422


def clusters(client: TestClient, **params: Any) -> list[int]:
    return [one["cluster"] for one in get(client, "/api/clusters", **params)["clusters"]]


def test_discovered_clusters_come_best_first_with_null_where_nothing_applies(
    client: TestClient,
) -> None:
    found = get(client, "/api/clusters")
    assert (found["experiment_id"], found["n_clusters"]) == (EXPERIMENT_ID, 3)
    assert found["columns"] == ["score", "separability"]
    first, second, _ = found["clusters"]
    assert (first["cluster"], first["latents"]) == (0, [0, 1, 5])
    assert first["labels"] == [" Monday", HOSTILE_VOCABULARY[SCRIPT], HOSTILE_VOCABULARY[8]]
    assert first["core_token_ids"] == [MONDAY, SCRIPT]
    assert first["core_texts"] == [" Monday", HOSTILE_VOCABULARY[SCRIPT]]
    assert second["measures"] == {"score": 2.0, "separability": None}
    assert get(client, "/api/clusters/1") == {"experiment_id": EXPERIMENT_ID, **second}


def test_clusters_are_sorted_by_any_column_and_cut_into_pages(client: TestClient) -> None:
    assert clusters(client, descending=True) == [2, 1, 0]
    # The second has no value: it comes last either way.
    assert clusters(client, sort="separability") == [0, 2, 1]
    assert clusters(client, sort="separability", descending=True) == [2, 0, 1]
    assert clusters(client, limit=1, offset=1) == [1]
    assert clusters(client, latent=1) == [0, 1]
    assert clusters(client, latent=DEAD) == []
    refused = client.get("/api/clusters", params={"sort": "beauty"})
    assert refused.status_code == 422
    assert "rank, score, separability" in refused.json()["error"]["message"]
