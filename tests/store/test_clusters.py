"""Clusters on disk: what was saved comes back, what is damaged is named."""

from pathlib import Path

import numpy as np
import pytest

from feature_manifold.core.errors import CorruptArtifactError, InputError, MissingArtifactError
from feature_manifold.store.clusters import ClusterSet, open_clusters, save_clusters


def two_clusters() -> ClusterSet:
    return ClusterSet(
        indptr=np.array([0, 3, 5], dtype=np.int64),
        latents=np.array([1, 4, 9, 4, 7], dtype=np.uint32),
        core_indptr=np.array([0, 2, 2], dtype=np.int64),
        core_token_ids=np.array([5, 8], dtype=np.int32),
        measures={"score": np.array([0.5, 0.25]), "ring": np.array([1.0, np.nan])},
    )


def test_clusters_come_back_as_they_were(tmp_path: Path) -> None:
    save_clusters(tmp_path, two_clusters())
    found = open_clusters(tmp_path)
    assert found.n_clusters == 2
    np.testing.assert_array_equal(found.members(0), [1, 4, 9])
    np.testing.assert_array_equal(found.members(1), [4, 7])
    np.testing.assert_array_equal(found.core(0), [5, 8])
    assert len(found.core(1)) == 0
    assert list(found.measures) == ["score", "ring"]
    np.testing.assert_array_equal(found.measures["ring"], [1.0, np.nan])
    for cluster in (-1, 2):
        with pytest.raises(InputError, match="there are 2"):
            found.members(cluster)


def test_no_cluster_at_all_is_a_set_too(tmp_path: Path) -> None:
    none = np.zeros(1, dtype=np.int64)
    empty = np.zeros(0)
    save_clusters(tmp_path, ClusterSet(none, empty, none, empty, {"score": empty}))
    assert open_clusters(tmp_path).n_clusters == 0
    save_clusters(tmp_path, ClusterSet(none, empty, none, empty, {}))
    assert open_clusters(tmp_path).measures == {}


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("measures.json", b"[", "not JSON"),
        ("measures.json", b'["score", "score"]', "different strings"),
        ("measures.json", b'["score"]', "shape"),
        ("latents.npy", None, "size|truncated|bytes"),
        ("core_indptr.npy", np.zeros(2, dtype=np.int64), "offsets must run"),
        ("core_indptr.npy", np.array([0, 2]), "core tokens of 1 clusters"),
    ],
)
def test_a_damaged_file_is_named(
    tmp_path: Path, name: str, content: bytes | np.ndarray | None, match: str
) -> None:
    save_clusters(tmp_path, two_clusters())
    path = tmp_path / name
    if isinstance(content, np.ndarray):
        np.save(path, content)
    else:
        path.write_bytes(path.read_bytes()[:-4] if content is None else content)
    with pytest.raises(CorruptArtifactError, match=match):
        open_clusters(tmp_path)
    path.unlink()
    with pytest.raises(MissingArtifactError):
        open_clusters(tmp_path)
