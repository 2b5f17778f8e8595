"""The specification's shards: documented types out, any sound types in, the rest refused."""

from pathlib import Path

import numpy as np
import pytest

from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.store.spec_layout import (
    FiringRows,
    firing_blocks,
    last_token,
    spec_shard_paths,
    spec_shard_size,
    token_blocks,
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


def columns(n: int = 4, **changes: object) -> dict[str, np.ndarray]:
    names = [name for name in FiringRows.__dataclass_fields__ if name != "name"]
    return {**{name: getattr(rows(n), name) for name in names}, **changes}


def read_all(path: Path) -> None:
    for _ in token_blocks(path):
        pass
    for _ in firing_blocks(path):
        pass


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
    (tokens,) = token_blocks(path)
    (firings,) = firing_blocks(path)
    assert tokens.tokens.tolist() == firings.tokens.tolist() == [0, 1, 2, 3]
    assert (tokens.tokens.dtype, firings.activations.dtype) == (np.uint32, np.float16)
    assert spec_shard_size(path) == (4, np.float16)
    assert last_token(path) == 3


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"token_indices": np.arange(4, dtype=">u8"), "positions": np.arange(4, dtype=">i2")},
        {"latent_indices": np.zeros(4, dtype=np.uint8), "doc_ids": np.zeros(4, dtype=np.int64)},
        {"activations": np.ones(4, dtype=">f2")},
        {"activations": np.ones(4, dtype=np.float64)},
    ],
)
def test_any_integers_and_floats_are_read(
    tmp_path: Path, changes: dict[str, np.ndarray], save: object
) -> None:
    path = tmp_path / "shard_00000.npz"
    save(path, **columns(**changes))
    (tokens,) = token_blocks(path)
    (firings,) = firing_blocks(path)
    assert tokens.tokens.tolist() == firings.tokens.tolist() == [0, 1, 2, 3]
    assert tokens.positions.tolist() == [0, 1, 2, 3]
    assert tokens.token_ids.tolist() == [7, 7, 7, 7]
    assert firings.activations.tolist() == [1, 1, 1, 1]
    kinds = [column.dtype for column in (firings.tokens, firings.latents, firings.activations)]
    wide = changes.get("activations", np.ones(1, np.float16)).dtype.itemsize > 2
    assert kinds == [np.uint32, np.int32, np.float32 if wide else np.float16]


def test_blocks_number_their_rows(tmp_path: Path) -> None:
    path = tmp_path / "shard_00000.npz"
    write_spec_shard(path, rows(10))
    for blocks in (list(token_blocks(path, block_rows=4)), list(firing_blocks(path, block_rows=4))):
        assert [(block.first_row, len(block.tokens)) for block in blocks] == [
            (0, 4),
            (4, 4),
            (8, 2),
        ]
        assert np.concatenate([block.tokens for block in blocks]).tolist() == list(range(10))
    write_spec_shard(path, rows(0))
    assert not list(token_blocks(path))
    assert last_token(path) is None


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("token_indices", -1, "row 2: bad token -1, expected 0 to 4,294,967,295"),
        ("token_indices", 1 << 32, "row 2: bad token 4294967296"),
        ("latent_indices", 1 << 31, "row 2: bad latent 2147483648"),
        ("token_ids", 1 << 31, "row 2: bad token_id 2147483648"),
        ("doc_ids", -(1 << 40), "row 2: bad doc_id -1099511627776"),
        ("positions", 1 << 31, "row 2: bad position 2147483648"),
        ("activations", 1e39, "row 2: bad activation 1e\\+39, expected one that fits float32"),
        ("activations", 1e-60, "row 2: bad activation 1e-60"),
    ],
)
def test_values_too_wide_are_refused_and_never_wrapped(
    tmp_path: Path, name: str, value: float, message: str
) -> None:
    path = tmp_path / "shard_00000.npz"
    column = np.ones(4, dtype=type(value))
    column[2] = value
    np.savez(path, **columns(**{name: column}))
    with pytest.raises(CorruptArtifactError, match=r"shard_00000\.npz, " + message):
        read_all(path)


def test_unsigned_values_too_wide_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "shard_00000.npz"
    np.savez(path, **columns(token_ids=np.full(4, (1 << 64) - 1, dtype=np.uint64)))
    with pytest.raises(CorruptArtifactError, match="row 0: bad token_id 18446744073709551615"):
        read_all(path)


def test_shards_are_ordered_by_number(tmp_path: Path) -> None:
    for number in (10, 9, 100000):
        write_spec_shard(tmp_path / f"shard_{number:05d}.npz", rows())
    (tmp_path / "shard_x.npz").write_bytes(b"")
    assert [int(path.stem[6:]) for path in spec_shard_paths(tmp_path)] == [9, 10, 100000]


def test_a_shard_without_a_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "shard_00000.npz"
    np.savez(path, token_indices=np.arange(3))
    with pytest.raises(CorruptArtifactError, match="lacks latent_indices"):
        read_all(path)


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("doc_ids", np.zeros(3, dtype=np.int32)),
        ("doc_ids", np.zeros((4, 1), dtype=np.int32)),
        ("positions", np.zeros(4, dtype=np.float32)),
        ("token_indices", np.zeros((4, 2), dtype=np.int64)),
        ("token_indices", np.int64(4)),
        ("latent_indices", np.zeros(4, dtype=bool)),
        ("activations", np.zeros(4, dtype=np.int32)),
        ("activations", np.zeros(4, dtype=np.complex64)),
        ("token_ids", np.full(4, "seven")),
    ],
)
def test_other_shapes_and_kinds_are_refused(tmp_path: Path, name: str, column: np.ndarray) -> None:
    path = tmp_path / "shard_00000.npz"
    np.savez(path, **columns(**{name: column}))
    with pytest.raises(CorruptArtifactError, match=r"shard_00000\.npz: \w+ has dtype"):
        read_all(path)


def test_objects_in_a_shard_are_never_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "shard_00000.npz"
    np.savez(path, **columns(token_ids=np.array([{"a": 1}] * 4, dtype=object)))
    with pytest.raises(CorruptArtifactError, match="array token_ids cannot be read"):
        read_all(path)


def test_json_is_strict(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"x": np.arange(3), "y": "é"})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{"x":[0,1,2],"y":"é"}'
    with pytest.raises(CorruptArtifactError, match="cannot be written"):
        write_json(tmp_path / "b.json", {"x": "\ud800"})
    assert not (tmp_path / "b.json").exists()
