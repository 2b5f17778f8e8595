from pathlib import Path

import numpy as np
import pytest

from feature_manifold.core.errors import CorruptArtifactError, MissingArtifactError
from feature_manifold.store.npy import NpyWriter, create_npy, open_npy, save_npy


def test_streamed_rows_equal_numpys_own_file(tmp_path: Path) -> None:
    rows = np.arange(30, dtype=np.int64).reshape(10, 3)
    with NpyWriter(tmp_path / "a.npy", np.int64, (3,)) as writer:
        for part in (rows[:4], rows[4:4], rows[4:]):
            writer.append(part)
    assert np.array_equal(np.load(tmp_path / "a.npy", allow_pickle=False), rows)
    assert np.array_equal(open_npy(tmp_path / "a.npy", dtypes=("<i8",), shape=(10, 3)), rows)


def test_an_empty_array_opens(tmp_path: Path) -> None:
    with NpyWriter(tmp_path / "a.npy", np.uint32):
        pass
    assert open_npy(tmp_path / "a.npy", dtypes=("<u4",), shape=(None,)).shape == (0,)
    assert create_npy(tmp_path / "b.npy", np.float16, (0,)).shape == (0,)
    assert open_npy(tmp_path / "b.npy", dtypes=("<f2",), shape=(0,)).shape == (0,)


def test_rows_of_another_shape_are_refused(tmp_path: Path) -> None:
    with (
        NpyWriter(tmp_path / "a.npy", np.int64, (3,)) as writer,
        pytest.raises(ValueError, match="shape"),
    ):
        writer.append(np.zeros((2, 4), dtype=np.int64))


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    save_npy(path, np.arange(100))
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(CorruptArtifactError, match=r"a\.npy.*bytes"):
        open_npy(path, dtypes=("<i8",), shape=(None,))


def test_a_file_longer_than_its_header_says_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    save_npy(path, np.arange(100))
    path.write_bytes(path.read_bytes() + b"\0" * 8)
    with pytest.raises(CorruptArtifactError, match="bytes"):
        open_npy(path, dtypes=("<i8",), shape=(None,))


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"\x93NUMPY\x09\x00"]
)
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    with pytest.raises(CorruptArtifactError, match=r"a\.npy"):
        open_npy(path, dtypes=("<i8",), shape=(None,))


@pytest.mark.parametrize(
    "shape", ["(4611686018427387904, 4)", "(0, 4611686018427387904)", "(-1,)", "(True,)", "(1,"]
)
def test_an_impossible_header_is_refused_before_memory_is_taken(tmp_path: Path, shape: str) -> None:
    path = tmp_path / "a.npy"
    text = f"{{'descr': '<i8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode())
    with pytest.raises(CorruptArtifactError, match=r"a\.npy.*run the stage again"):
        open_npy(path, dtypes=("<i8",), shape=(None, None))


def test_a_created_file_has_its_disk_before_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    create_npy(path, np.int64, (100_000,))
    assert path.stat().st_blocks * 512 >= 800_000


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(CorruptArtifactError):
        open_npy(path, dtypes=("<i8",), shape=(None,))


def test_another_dtype_or_shape_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    save_npy(path, np.arange(6, dtype=np.int32).reshape(2, 3))
    with pytest.raises(CorruptArtifactError, match="int32, expected int64"):
        open_npy(path, dtypes=("<i8",), shape=(None, 3))
    with pytest.raises(CorruptArtifactError, match=r"expected \(n, 4\)"):
        open_npy(path, dtypes=("<i4",), shape=(None, 4))


def test_a_missing_file_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(MissingArtifactError, match="fmi run"):
        open_npy(tmp_path / "a.npy", dtypes=("<i8",), shape=(None,))


def test_opened_arrays_cannot_be_written(tmp_path: Path) -> None:
    save_npy(tmp_path / "a.npy", np.arange(3))
    array = open_npy(tmp_path / "a.npy", dtypes=("<i8",), shape=(None,))
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1
