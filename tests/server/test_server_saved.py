"""Saved work over HTTP: versions, portability, and guests who may not write."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from tests.server.clients import make_client
from tests.server.planted import EXPERIMENT_ID, Planted, write_experiment

from feature_manifold.server.settings import ServerSettings
from feature_manifold.store.layout import DataRoot

SAVED = "/api/workspace"
OTHER = "other_layer1_1k_small"
WEEK = {"kind": "cluster", "name": "<b>week</b>", "text": "", "latents": [5, 0, 1]}


def save(client: TestClient, **changes: Any) -> dict[str, Any]:
    answer = client.post(SAVED, json={**WEEK, **changes})
    assert answer.status_code == 200, answer.text
    return answer.json()


def items(client: TestClient, **params: Any) -> list[dict[str, Any]]:
    return client.get(SAVED, params=params).json()["items"]


def error(answer: Any, status: int) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    return answer.json()["error"]


def test_an_item_lives_from_saving_to_deleting(client: TestClient, data_root: Path) -> None:
    assert items(client) == []
    assert not DataRoot(data_root).workspace.exists()
    item = save(client)
    assert {key: item[key] for key in WEEK} == WEEK
    assert (item["version"], item["is_from_elsewhere"]) == (1, False)
    assert item["made_in"]["experiment_id"] == EXPERIMENT_ID
    assert items(client) == [item]
    assert client.get(f"{SAVED}/{item['id']}").json() == item
    changed = client.put(f"{SAVED}/{item['id']}", json={**WEEK, "name": "days", "version": 1})
    assert (changed.json()["version"], changed.json()["name"]) == (2, "days")
    late = client.put(f"{SAVED}/{item['id']}", json={**WEEK, "version": 1})
    assert error(late, 409)["type"] == "VersionConflictError"
    assert error(client.delete(f"{SAVED}/{item['id']}?version=1"), 409)
    assert client.delete(f"{SAVED}/{item['id']}?version=2").json() == changed.json()
    assert error(client.get(f"{SAVED}/{item['id']}"), 404)
    assert items(client) == []


def test_items_belong_to_their_experiment_and_come_in_pages(
    client: TestClient, data_root: Path, planted: Planted
) -> None:
    write_experiment(data_root, planted, OTHER)
    saved = [save(client, experiment_id=OTHER, name=str(number)) for number in range(3)]
    assert items(client, experiment_id=EXPERIMENT_ID) == []
    listed = items(client, experiment_id=OTHER)
    assert sorted(one["id"] for one in listed) == sorted(one["id"] for one in saved)
    assert items(client, experiment_id=OTHER, limit=1, offset=1) == listed[1:2]
    assert error(client.get(f"{SAVED}/{saved[0]['id']}?experiment_id={EXPERIMENT_ID}"), 404)


@pytest.mark.parametrize(
    "changes",
    [
        {"latents": [6]},
        {"latents": ["1"]},
        {"name": ""},
        {"name": "x" * 201},
        {"text": "x" * 20_001},
        {"kind": "secret"},
        {"latents": [0] * 4097},
        {"name": "\ud800"},
    ],
)
def test_bad_items_are_refused(client: TestClient, changes: dict[str, Any]) -> None:
    content = json.dumps({**WEEK, **changes})
    answer = client.post(SAVED, content=content, headers={"Content-Type": "application/json"})
    assert error(answer, 422)["type"] == "InputError"
    assert items(client) == []


@pytest.mark.parametrize("item_id", ["x", "0" * 31, "../" + "0" * 29, "0" * 32 + "%27"])
def test_ids_that_are_none_reach_no_database(client: TestClient, item_id: str) -> None:
    assert client.get(f"{SAVED}/{item_id}").status_code in {404, 422}


def exported(client: TestClient, experiment_id: str = EXPERIMENT_ID) -> dict[str, Any]:
    return client.get(f"{SAVED}/export", params={"experiment_id": experiment_id}).json()


def take_in(client: TestClient, work: dict[str, Any], **options: Any) -> Any:
    return client.post(f"{SAVED}/import", json={"work": work, **options})


def test_an_export_loads_where_it_was_made(client: TestClient) -> None:
    item = save(client)
    work = exported(client)
    assert work["identity"] == item["made_in"]
    assert take_in(client, work).json() == {
        "experiment_id": EXPERIMENT_ID,
        "n_added": 0,
        "n_unchanged": 1,
    }
    client.delete(f"{SAVED}/{item['id']}?version=1")
    assert take_in(client, work).json()["n_added"] == 1
    assert items(client) == [item]


def test_work_of_the_last_version_there_is_breaks_no_list(client: TestClient) -> None:
    item = save(client)
    work = exported(client)
    client.delete(f"{SAVED}/{item['id']}?version=1")
    work["items"][0]["version"] = (1 << 53) - 1
    assert take_in(client, work).json()["n_added"] == 1
    last = client.put(f"{SAVED}/{item['id']}", json={**WEEK, "version": (1 << 53) - 1})
    assert error(last, 422)
    assert [each["version"] for each in items(client)] == [(1 << 53) - 1]
    assert client.delete(f"{SAVED}/{item['id']}?version={(1 << 53) - 1}").status_code == 200


def test_work_does_not_load_into_another_experiment_unless_forced_and_is_marked(
    client: TestClient, data_root: Path, planted: Planted
) -> None:
    save(client)
    work = exported(client)
    write_experiment(data_root, planted, OTHER)
    refused = error(take_in(client, work, experiment_id=OTHER), 409)
    assert refused["type"] == "ForeignWorkError"
    assert EXPERIMENT_ID in refused["message"]
    assert items(client, experiment_id=OTHER) == []
    assert take_in(client, work, experiment_id=OTHER, force=True).json()["n_added"] == 1
    (marked,) = items(client, experiment_id=OTHER)
    assert marked["is_from_elsewhere"] is True
    assert marked["made_in"]["experiment_id"] == EXPERIMENT_ID
    # Nor does it lose the mark by going round.
    assert error(take_in(client, exported(client, OTHER), experiment_id=OTHER), 409)


def test_an_export_without_items_is_held_against_its_experiment_too(
    client: TestClient, data_root: Path, planted: Planted
) -> None:
    write_experiment(data_root, planted, OTHER)
    assert error(take_in(client, exported(client), experiment_id=OTHER), 409)


def test_work_of_another_sae_under_the_same_name_is_from_elsewhere(
    client: TestClient, data_root: Path
) -> None:
    save(client)
    work = exported(client)
    decoder = DataRoot(data_root).experiment(EXPERIMENT_ID).decoder
    np.save(decoder, np.load(decoder) + 1)
    (item,) = items(client)
    assert item["is_from_elsewhere"] is True
    assert "another SAE" in error(take_in(client, work), 409)["message"]


def test_an_import_with_latents_that_do_not_exist_is_refused_whole(client: TestClient) -> None:
    save(client)
    save(client)
    work = exported(client)
    for item in work["items"]:
        client.delete(f"{SAVED}/{item['id']}?version=1")
    work["items"][1]["latents"] = [99]
    assert "no latent 99" in error(take_in(client, work), 422)["message"]
    work["items"][1]["latents"] = []
    work["format_version"] = 2
    assert error(take_in(client, work), 422)
    assert items(client) == []


@pytest.fixture
def guest(data_root: Path) -> Iterator[TestClient]:
    with make_client(ServerSettings(data_root, is_read_only=True)) as client:
        yield client


def test_guests_read_and_export_and_write_nothing(
    client: TestClient, guest: TestClient, data_root: Path
) -> None:
    item = save(client)
    before = DataRoot(data_root).workspace.read_bytes()
    assert guest.get("/api/server").json()["is_read_only"] is True
    assert client.get("/api/server").json()["is_read_only"] is False
    assert items(guest) == [item]
    work = exported(guest)
    for answer in (
        guest.post(SAVED, json=WEEK),
        guest.put(f"{SAVED}/{item['id']}", json={**WEEK, "version": 1}),
        guest.delete(f"{SAVED}/{item['id']}?version=1"),
        take_in(guest, work, force=True),
    ):
        assert error(answer, 403)["type"] == "ReadOnlyError"
    assert items(client) == [item]
    assert DataRoot(data_root).workspace.read_bytes() == before
