import zipfile
from pathlib import Path

import numpy as np
import pytest

from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.store.spec_layout import (
    FiringRows,
    open_spec_shard,
    spec_shard_paths,
    write_json,
    write_spec_shard,
)


def rows(n: int = 4) -> FiringRows:
    return FiringRows(
        token_indices=np.arange(n, dtype=np.int64),
        latent_indices=np.zeros(n, dtype=np.int32),
        activations=np.ones(n, dtype=np.float16),
        token_ids=np.full(n, 7, dtype=np.int32),
        doc_ids=np.zeros(n, dtype=np.int32),
        positions=np.arange(n, dtype=np.int16),
    )


def test_a_shard_has_the_documented_keys_and_types(tmp_path: Path) -> None:
    path = tmp_path / "shard_00000.npz"
    write_spec_shard(path, rows())
    with np.load(path, allow_pickle=False) as arrays:
        types = {name: str(arrays[name].dtype) for name in arrays.files}
    assert types == {
        "token_indices": "int64",
        "latent_indices": "int32",
        "activations": "float16",
        "token_ids": "int32",
        "doc_ids": "int32",
        "positions": "int16",
    }
    again = open_spec_shard(path)
    assert np.array_equal(again.token_indices, rows().token_indices)


def test_shards_are_ordered_by_number(tmp_path: Path) -> None:
    for number in (10, 9, 100000):
        write_spec_shard(tmp_path / f"shard_{number:05d}.npz", rows())
    (tmp_path / "shard_x.npz").write_bytes(b"")
    assert [int(path.stem[6:]) for path in spec_shard_paths(tmp_path)] == [9, 10, 100000]


def test_a_truncated_shard_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "shard_00000.npz"
    write_spec_shard(path, rows(1000))
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(CorruptArtifactError, match="truncated"):
        open_spec_shard(path)


def test_a_shard_without_a_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "shard_00000.npz"
    np.savez(path, token_indices=np.arange(3))
    with pytest.raises(CorruptArtifactError, match="lacks latent_indices"):
        open_spec_shard(path)


def test_columns_of_unequal_length_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "shard_00000.npz"
    columns = {name: getattr(rows(), name) for name in FiringRows.__dataclass_fields__}
    del columns["name"]
    np.savez(path, **{**columns, "doc_ids": np.zeros(3, dtype=np.int32)})
    with pytest.raises(CorruptArtifactError, match="doc_ids"):
        open_spec_shard(path)


def test_objects_in_a_shard_are_never_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "shard_00000.npz"
    columns = {name: getattr(rows(), name) for name in FiringRows.__dataclass_fields__}
    del columns["name"]
    evil = np.array([{"a": 1}] * 4, dtype=object)
    np.savez(path, **{**columns, "token_ids": evil})
    with pytest.raises(CorruptArtifactError, match="truncated or not an"):
        open_spec_shard(path)


def test_a_zip_that_is_no_npz_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "shard_00000.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("token_indices.npy", b"not an array")
    with pytest.raises(CorruptArtifactError):
        open_spec_shard(path)


def test_json_is_strict(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"x": np.arange(3), "y": "é"})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{"x":[0,1,2],"y":"é"}'
    with pytest.raises(CorruptArtifactError, match="cannot be written"):
        write_json(tmp_path / "b.json", {"x": "\ud800"})
    assert not (tmp_path / "b.json").exists()
