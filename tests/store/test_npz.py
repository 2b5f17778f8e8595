"""Foreign ``.npz`` files: what they hold is read exactly; what they claim is checked first."""

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from feature_manifold.core.errors import CorruptArtifactError, MissingArtifactError
from feature_manifold.store.npz import NpzFile

HUGE = 1 << 40


def save(path: Path, *, compressed: bool = False, **arrays: object) -> Path:
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return path


def header(text: str) -> bytes:
    body = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(body)) + body


def npy(shape: str, content: bytes, descr: str = "'<i8'", *, fortran: bool = False) -> bytes:
    return header(f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}}}") + content


def one_member(path: Path, content: bytes, *, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("a.npy", content)
    return path


def in_directory(path: Path, change: Callable[[bytearray, int], None]) -> Path:
    """Change the entry of the first member in the central directory."""
    content = bytearray(path.read_bytes())
    change(content, content.index(b"PK\x01\x02"))
    path.write_bytes(content)
    return path


def put(offset: int, value: int) -> Callable[[bytearray, int], None]:
    return lambda content, at: struct.pack_into("<I", content, at + offset, value)


def read(path: Path, name: str = "a") -> np.ndarray:
    with NpzFile(path) as file:
        return file.array(name)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(100_000),
        np.arange(7, dtype=">i4"),
        np.zeros(0, dtype=np.float16),
        np.arange(6, dtype=np.float32).reshape(3, 2),
        np.array(b"csr"),
        np.asfortranarray(np.arange(5)),
    ],
)
def test_arrays_are_those_of_numpy(tmp_path: Path, array: np.ndarray, compressed: bool) -> None:
    path = save(tmp_path / "x.npz", compressed=compressed, b=np.ones(3), a=array)
    found = read(path)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)
    with NpzFile(path) as file:
        assert file.names == ("b", "a")


@pytest.mark.parametrize("compressed", [False, True])
def test_columns_are_read_in_lock_step(tmp_path: Path, compressed: bool) -> None:
    arrays = {"a": np.arange(1000), "b": np.arange(1000, dtype=np.int16) * 2}
    path = save(tmp_path / "x.npz", compressed=compressed, **arrays)
    parts: dict[str, list[np.ndarray]] = {"a": [], "b": []}
    with NpzFile(path) as file:
        columns = {name: file.column(name) for name in arrays}
        for n_rows in (300, 0, 699, 1):
            for name, column in columns.items():
                parts[name].append(column.read(n_rows))
    for name, array in arrays.items():
        np.testing.assert_array_equal(np.concatenate(parts[name]), array)


@pytest.mark.parametrize("compressed", [False, True])
def test_every_flipped_bit_of_an_array_is_noticed(tmp_path: Path, compressed: bool) -> None:
    array = np.arange(20, dtype=np.int16)
    content = save(tmp_path / "x.npz", compressed=compressed, a=array).read_bytes()
    path = tmp_path / "flipped.npz"
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
        try:
            found = read(path)
        except CorruptArtifactError:
            continue
        # Bits that no reader looks at: dates, flags, fields that stand twice.
        np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, compressed: bool) -> None:
    content = save(tmp_path / "x.npz", compressed=compressed, a=np.arange(20)).read_bytes()
    path = tmp_path / "cut.npz"
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(CorruptArtifactError, match=r"cut\.npz"):
            read(path)


def test_no_file_and_no_array(tmp_path: Path) -> None:
    with pytest.raises(MissingArtifactError, match="No file"):
        read(tmp_path / "none.npz")
    path = save(tmp_path / "x.npz", b=np.ones(3))
    with pytest.raises(CorruptArtifactError, match="lacks a; it has b"):
        read(path)
    (tmp_path / "text.npz").write_bytes(b"not a zip file at all")
    with pytest.raises(CorruptArtifactError, match=r"not an \.npz file"):
        read(tmp_path / "text.npz")


BAD_MEMBERS = {
    "asks for 8,796,093,022,336 bytes and it has 152": npy(f"({HUGE},)", b"x" * 24),
    "asks for 128 bytes and it has 152": npy("(0,)", b"x" * 24),
    "asks for 144 bytes and it has 152": npy("(2,)", b"x" * 24),
    "impossible shape": npy("(-1,)", b"x" * 24),
    "holds object, not numbers": npy("(1,)", b"x" * 8, "'|O'"),
    "in Fortran order": npy("(1, 1)", b"x" * 8, fortran=True),
    "it is no .npy array": b"text, and no header at all",
    "it is shorter than its header": npy("(3,)", b"")[:50],
    "its header claims 4,294,967,295 bytes": b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}",
    "unknown version": b"\x93NUMPY\x09\x00\x02\x00\x00\x00{}",
}


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("message", BAD_MEMBERS)
def test_headers_that_lie_are_refused(tmp_path: Path, message: str, compression: int) -> None:
    path = one_member(tmp_path / "x.npz", BAD_MEMBERS[message], compression=compression)
    with pytest.raises(CorruptArtifactError, match=r"x\.npz: array a cannot be read: ") as caught:
        read(path)
    assert message in str(caught.value)


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, a=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(CorruptArtifactError, match="holds object"):
        read(path)


COMPRESSED_SIZE, SIZE, FLAGS, METHOD, OFFSET = 20, 24, 8, 10, 42


@pytest.mark.parametrize(
    ("compression", "field", "value", "message"),
    [
        (zipfile.ZIP_STORED, SIZE, 1 << 31, "claims 2,147,483,648 bytes and takes 928"),
        (zipfile.ZIP_STORED, SIZE, 600, "claims 600 bytes and takes 928"),
        (zipfile.ZIP_STORED, COMPRESSED_SIZE, 1 << 31, "of a file of"),
        (zipfile.ZIP_STORED, METHOD, 12, "compressed by method 12"),
        (zipfile.ZIP_STORED, FLAGS, 1, "encrypted"),
        (zipfile.ZIP_STORED, OFFSET, 5, "points nowhere"),
        (zipfile.ZIP_DEFLATED, SIZE, 1 << 31, "inflate to"),
        (zipfile.ZIP_DEFLATED, SIZE, 600, "Bad CRC-32"),
        (zipfile.ZIP_DEFLATED, SIZE, 1600, "asks for 928 bytes and it has 1,600"),
        (zipfile.ZIP_DEFLATED, COMPRESSED_SIZE, 1 << 31, "of a file of"),
    ],
)
def test_members_that_lie_are_refused(
    tmp_path: Path, compression: int, field: int, value: int, message: str
) -> None:
    content = npy("(100,)", np.arange(100).tobytes())
    path = one_member(tmp_path / "x.npz", content, compression=compression)
    in_directory(path, put(field, value))
    with pytest.raises(CorruptArtifactError, match=r"x\.npz.*" + message):
        read(path)


def test_a_member_may_not_be_there_twice(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", npy("(1,)", b"x" * 8))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.npy", npy("(1,)", b"y" * 8))
    with pytest.raises(CorruptArtifactError, match="array a cannot be read: it is there twice"):
        read(path)


def test_a_bomb_takes_no_memory(tmp_path: Path) -> None:
    # 64 MiB of zeros in 64 KiB, under a header that asks for a terabyte.
    content = io.BytesIO(npy(f"({HUGE},)", b"") + bytes(64 << 20))
    path = one_member(tmp_path / "x.npz", content.getvalue(), compression=zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    with pytest.raises(CorruptArtifactError, match="asks for"):
        read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20
