import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import CorruptArtifactError, MissingArtifactError
from feature_manifold.store.npy import NpyFile, NpyWriter, open_npy, save_npy


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
    with NpyFile(tmp_path / "b.npy", np.float16, 0):
        pass
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


def test_parts_written_in_any_order_by_threads_equal_numpys_own_file(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(0, 2**32, 10_000).astype(np.uint32)
    path = tmp_path / "a.npy"
    with NpyFile(path, np.uint32, len(rows)) as file, ThreadPoolExecutor(3) as pool:
        parts = [slice(start, start + 700) for start in range(0, len(rows), 700)]
        list(pool.map(lambda part: file.write(part.start, rows[part]), parts[::-1]))
    assert np.array_equal(np.load(path, allow_pickle=False), rows)
    assert np.array_equal(open_npy(path, dtypes=("<u4",), shape=(10_000,)), rows)


def test_a_file_with_rows_left_out_is_not_taken_for_finished(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="2 of 3 rows"),
        NpyFile(tmp_path / "a.npy", np.uint32, 3) as file,
    ):
        file.write(1, np.ones(2, dtype=np.uint32))


@pytest.mark.parametrize(
    ("start", "rows"),
    [(2, np.ones(2, np.uint32)), (-1, np.ones(1, np.uint32)), (0, np.ones(1, np.int64))],
)
def test_rows_that_do_not_belong_are_refused(tmp_path: Path, start: int, rows: Array) -> None:
    with (
        pytest.raises(ValueError, match=r"vector of|rows .* of 3"),
        NpyFile(tmp_path / "a.npy", np.uint32, 3) as file,
    ):
        file.write(start, rows)


def test_rows_beyond_two_to_the_32_are_written_and_read(tmp_path: Path) -> None:
    """A sparse file: 17 GB long, some kilobytes on the disk."""
    path, n_rows = tmp_path / "a.npy", 2**32 + 10
    last = np.arange(5, dtype=np.uint32)
    with pytest.raises(ValueError, match="rows written"), NpyFile(path, np.uint32, n_rows) as file:
        file.write(n_rows - 5, last)
    array = open_npy(path, dtypes=("<u4",), shape=(n_rows,))
    assert np.array_equal(array[-5:], last)
    assert not array[2**32 - 5 : 2**32 + 5].any()
    assert path.stat().st_blocks * 512 < 1 << 20


def test_a_full_disk_is_an_error_that_says_so() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        NpyFile(full, np.uint32, 3)
    assert caught.value.errno == errno.ENOSPC
    with pytest.raises(OSError, match="No space left"), NpyWriter(full, np.uint32) as writer:
        writer.append(np.zeros(1 << 20, dtype=np.uint32))


def test_a_disk_that_fills_up_while_parts_are_written_is_an_error(tmp_path: Path) -> None:
    file = NpyFile(tmp_path / "a.npy", np.uint32, 1 << 20)
    descriptor = os.open("/dev/full", os.O_WRONLY)
    os.dup2(descriptor, file._file.fileno())
    os.close(descriptor)
    with pytest.raises(OSError, match="No space left"), file:
        file.write(0, np.zeros(1 << 20, dtype=np.uint32))


@pytest.mark.parametrize("array", [np.arange(3, dtype=">i8"), np.arange(3, dtype=">u4")])
def test_big_endian_arrays_are_refused(tmp_path: Path, array: Array) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(CorruptArtifactError, match=r"a\.npy: dtype >"):
        open_npy(tmp_path / "a.npy", dtypes=("<i8", "<u4"), shape=(None,))


def test_arrays_of_columns_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.asfortranarray(np.arange(6).reshape(2, 3)))
    with pytest.raises(CorruptArtifactError, match=r"a\.npy: .*Fortran"):
        open_npy(tmp_path / "a.npy", dtypes=("<i8",), shape=(None, 3))


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
