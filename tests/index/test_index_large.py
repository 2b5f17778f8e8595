"""Sizes beyond 32 bits and a million latents, on sparse files: gigabytes long, some kB on disk."""

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests import reference
from tests.index.written import Written

from feature_manifold.core.arrays import Array
from feature_manifold.core.progress import SilentProgress
from feature_manifold.index.merge import merge_block, merge_shards
from feature_manifold.index.transpose import TokenRange, sort_by_token, sort_range
from feature_manifold.store.firings import (
    ACTIVATIONS,
    INDPTR,
    TOKEN_ACTIVATIONS,
    TOKEN_INDPTR,
    TOKEN_LATENTS,
    TOKENS,
    open_by_latent,
    open_by_token,
)
from feature_manifold.store.layout import MANIFEST
from feature_manifold.store.npy import open_npy, save_npy
from feature_manifold.store.shards import Shard, open_shard, write_shard

BEYOND = 2**32 + 5
MILLION = 1 << 20
HALF = np.dtype(np.float16)


def save_sparse(path: Path, n_rows: int, tail: Array) -> None:
    """Write a vector of zeros, as a hole, that ends in ``tail``."""
    with path.open("wb") as file:
        header = {
            "descr": np.lib.format.dtype_to_descr(tail.dtype),
            "fortran_order": False,
            "shape": (n_rows,),
        }
        np.lib.format.write_array_header_1_0(file, header)
        start = file.tell()
        os.ftruncate(file.fileno(), start + n_rows * tail.itemsize)
        file.seek(start + (n_rows - len(tail)) * tail.itemsize)
        file.write(tail.tobytes())
    assert path.stat().st_blocks * 512 < 1 << 20


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def long_shard(tmp_path: Path) -> Shard:
    """Tokens [0, 8) of three latents, the last of which lies beyond 2**32 firings.

    The first is a hole: firings of token 0, without an activation, that no test reads.
    """
    written = Shard(np.zeros(4, np.int64), np.zeros(0, np.uint32), np.zeros(0, HALF), 0, 8)
    write_shard(tmp_path, 0, written, config={}, inputs={})
    folder = tmp_path / "shard_00000"
    save_npy(folder / INDPTR, np.array([0, BEYOND, BEYOND + 2, BEYOND + 5], dtype=np.int64))
    save_sparse(folder / TOKENS, BEYOND + 5, np.array([3, 4, 1, 4, 7], dtype=np.uint32))
    save_sparse(folder / ACTIVATIONS, BEYOND + 5, np.array([1, 2, 3, 4, 5], dtype=HALF))
    return open_shard(folder)


def test_a_latent_beyond_two_to_the_32_firings_is_merged(long_shard: Shard) -> None:
    indptr = np.asarray(long_shard.indptr)
    tokens, activations = merge_block([long_shard], indptr, 1, 3, dtype=HALF)
    assert tokens.tolist() == [3, 4, 1, 4, 7]
    assert activations.tolist() == [1, 2, 3, 4, 5]


def test_tokens_of_a_shard_beyond_two_to_the_32_firings_are_sorted(long_shard: Shard) -> None:
    before = resident_bytes()
    some = TokenRange(long_shard, 4, 8, n_firings=3)
    counts, latents, activations = sort_range(some, dtype=HALF, block_firings=1 << 20)
    assert counts.tolist() == [2, 0, 0, 1]
    assert latents.tolist() == [1, 2, 2]
    assert activations.tolist() == [2, 4, 5]
    assert resident_bytes() - before < 64 << 20  # the files are 26 GB long


@pytest.mark.alone
def test_an_index_beyond_two_to_the_32_firings_opens_at_once_and_takes_no_memory(
    tmp_path: Path,
) -> None:
    n_firings = BEYOND + 3
    save_npy(tmp_path / INDPTR, np.array([0, BEYOND, n_firings], dtype=np.int64))
    save_sparse(tmp_path / TOKENS, n_firings, np.array([2, 3, 5], dtype=np.uint32))
    save_sparse(tmp_path / ACTIVATIONS, n_firings, np.array([1, 2, 3], dtype=HALF))
    save_sparse(tmp_path / TOKEN_INDPTR, BEYOND, np.array([n_firings - 3, n_firings]))
    save_sparse(tmp_path / TOKEN_LATENTS, n_firings, np.array([7, 8, 9], dtype=np.uint32))
    save_sparse(tmp_path / TOKEN_ACTIVATIONS, n_firings, np.array([1, 2, 3], dtype=HALF))
    start, before = time.monotonic(), resident_bytes()
    by_latent, by_token = open_by_latent(tmp_path), open_by_token(tmp_path)
    tokens, activations = by_latent.latent(1)
    assert time.monotonic() - start < 0.2
    assert resident_bytes() - before < 16 << 20
    assert tokens.tolist() == [2, 3, 5]
    assert activations.tolist() == [1, 2, 3]
    assert by_latent.n_tokens == BEYOND - 1
    assert by_token.token(BEYOND - 2)[0].tolist() == [7, 8, 9]


def test_the_last_tokens_that_32_bits_can_name_are_indexed() -> None:
    dense = np.array([[1, 0], [2, 3], [0, 4], [5, 6]], dtype=np.float16)
    (shard,) = reference.shards_of(dense, [])
    first = 2**32 - 4
    tokens = (shard.tokens + np.uint32(first)).astype(np.uint32)
    shard = replace(shard, tokens=tokens, start=first, stop=2**32)
    written = Written([shard])
    merge_shards([shard], 2, n_tokens=2**32, write=written, progress=SilentProgress())
    assert written.whole()[0].tolist() == tokens.tolist()
    expected = reference.by_token_of(dense)
    for cut in (first + 1, first + 3):
        parts = [
            TokenRange(shard, first, cut, int(expected.indptr[cut - first])),
            TokenRange(shard, cut, 2**32, 6 - int(expected.indptr[cut - first])),
        ]
        found = [sort_range(part, dtype=HALF, block_firings=1) for part in parts]
        assert np.concatenate([latents for _, latents, _ in found]).tolist() == [0, 0, 1, 1, 0, 1]
        assert np.concatenate([counts for counts, _, _ in found]).tolist() == [1, 2, 1, 2]


def test_a_million_latents_are_indexed() -> None:
    ids = np.array([0, 77_777, MILLION - 1])
    indptr = np.zeros(MILLION + 1, dtype=np.int64)
    np.cumsum(np.bincount(ids, minlength=MILLION), out=indptr[1:])
    shards = [
        Shard(indptr, np.arange(3, dtype=np.uint32), np.ones(3, HALF), 0, 3, "first"),
        Shard(indptr, np.arange(3, 6, dtype=np.uint32), np.ones(3, HALF), 3, 6, "second"),
    ]
    written = Written(shards)
    merged = merge_shards(shards, MILLION, n_tokens=6, write=written, progress=SilentProgress())
    assert np.array_equal(merged, 2 * indptr)
    assert written.whole()[0].tolist() == [0, 3, 1, 4, 2, 5]
    by_token = Written(shards)
    sort_by_token(shards, n_tokens=6, write=by_token, progress=SilentProgress())
    assert by_token.whole()[0].tolist() == [0, 77_777, MILLION - 1] * 2


def test_a_shard_of_a_million_latents_opens_without_holding_their_offsets(tmp_path: Path) -> None:
    indptr = np.zeros(MILLION + 1, dtype=np.int64)
    empty = Shard(indptr, np.zeros(0, np.uint32), np.zeros(0, HALF), 0, 4)
    write_shard(tmp_path, 0, empty, config={}, inputs={})
    folder = tmp_path / "shard_00000"
    assert (folder / MANIFEST).exists()
    open_shard(folder)
    before = resident_bytes()
    shards = [open_shard(folder) for _ in range(20)]
    assert resident_bytes() - before < 32 << 20  # 8 MB each, if they stayed
    assert open_npy(folder / INDPTR, dtypes=("<i8",), shape=(MILLION + 1,))[-1] == 0
    assert len(shards) == 20
