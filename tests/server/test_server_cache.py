import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from tests.server.planted import EXPERIMENT_ID, Planted, finish, write_experiment

from feature_manifold.server.cache import BoundedCache
from feature_manifold.server.library import MAX_EXPERIMENTS, Library
from feature_manifold.store.layout import DataRoot


def test_a_value_is_made_once_for_all_who_ask_at_the_same_time() -> None:
    cache: BoundedCache[str, object] = BoundedCache(2)
    calls = []
    ready = threading.Barrier(8)

    def ask() -> object:
        ready.wait()
        return cache.get("key", make)

    def make() -> object:
        calls.append(1)
        time.sleep(0.05)
        return object()

    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(lambda _: ask(), range(8)))
    assert len(calls) == 1
    assert len({id(value) for value in values}) == 1


def test_the_value_used_longest_ago_is_dropped() -> None:
    cache: BoundedCache[int, int] = BoundedCache(2)
    made: list[int] = []

    def get(key: int) -> int:
        return cache.get(key, lambda: made.append(key) or key)

    for key in (1, 2, 1, 3, 1, 2):
        get(key)
    assert made == [1, 2, 3, 2]


def test_an_error_reaches_the_caller_and_is_not_kept() -> None:
    cache: BoundedCache[str, int] = BoundedCache(2)

    def fail() -> int:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        cache.get("key", fail)
    assert cache.get("key", lambda: 5) == 5


def test_a_rerun_experiment_is_opened_anew(
    client: TestClient, data_root: Path, planted: Planted
) -> None:
    before = client.get("/api/graph").json()["positions"]
    edge = client.get("/api/edges?limit=1").json()["edges"][0]
    folder = DataRoot(data_root).experiment(EXPERIMENT_ID).graph
    np.save(folder / "positions.npy", planted.positions[::-1])
    finish(folder)
    etag = client.get("/api/graph").headers["etag"]
    assert client.get("/api/graph").json()["positions"] == before[::-1]
    assert client.get("/api/graph", headers={"If-None-Match": etag}).status_code == 304
    assert client.get("/api/edges?limit=1").json()["edges"][0] == edge


def test_an_unchanged_experiment_is_opened_once(data_root: Path) -> None:
    library = Library(data_root)
    assert library.open(None) is library.open(EXPERIMENT_ID)


def test_the_experiments_kept_open_are_bounded(data_root: Path, planted: Planted) -> None:
    ids = [EXPERIMENT_ID, *(f"other_layer{n}_1k_small" for n in range(MAX_EXPERIMENTS))]
    for experiment_id in ids[1:]:
        write_experiment(data_root, planted, experiment_id)
    library = Library(data_root)
    first = library.open(ids[0])
    for experiment_id in ids[1:]:
        library.open(experiment_id)
    assert library.open(ids[0]) is not first
    assert library.open(ids[-1]) is library.open(ids[-1])
