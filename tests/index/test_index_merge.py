"""Merging shards into an index sorted by latent."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tests import reference
from tests.firing_strategies import activations
from tests.index.written import Written

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.core.progress import SilentProgress
from feature_manifold.index.blocks import row_blocks
from feature_manifold.index.merge import merge_block, merge_shards, merged_indptr
from feature_manifold.store.firings import FiringsByLatent
from feature_manifold.store.shards import Shard


def merge(shards: list[Shard], n_latents: int, n_tokens: int, **options: int) -> FiringsByLatent:
    written = Written(shards)
    indptr = merge_shards(
        shards,
        n_latents,
        n_tokens=n_tokens,
        write=written,
        progress=SilentProgress(),
        **options,
    )
    return FiringsByLatent(indptr, *written.whole(), n_tokens)


def assert_same(found: FiringsByLatent, expected: FiringsByLatent) -> None:
    np.testing.assert_array_equal(found.indptr, expected.indptr)
    np.testing.assert_array_equal(found.tokens, expected.tokens)
    np.testing.assert_array_equal(found.activations, expected.activations)


@settings(deadline=None)
@given(dense=activations(), data=st.data())
def test_merged_shards_equal_the_index_of_the_whole(dense: Array, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, dense.shape[0]), max_size=4))
    block, n_workers = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 3))
    shards = reference.shards_of(dense, cuts)
    n_tokens, n_latents = dense.shape
    found = merge(shards, n_latents, n_tokens, block_firings=block, n_workers=n_workers)
    assert_same(found, reference.by_latent_of(dense))


def test_no_shards_make_an_index_without_firings() -> None:
    found = merge([], 3, 5)
    assert found.indptr.tolist() == [0, 0, 0, 0]
    assert found.n_firings == 0
    assert found.activations.dtype == np.float16


def test_one_wide_shard_makes_the_index_float32() -> None:
    dense = np.array([[1.5, 0], [2.5, 7]], dtype=np.float16)
    shards = reference.shards_of(dense, [1])
    shards[1] = replace(shards[1], activations=np.array([2.5, 1e6], dtype=np.float32))
    found = merge(shards, 2, 2)
    assert found.activations.dtype == np.float32
    assert found.activations.tolist() == [1.5, 2.5, 1e6]


def good_shards() -> list[Shard]:
    dense = np.array([[1, 0], [2, 3], [0, 4], [5, 6]], dtype=np.float16)
    return reference.shards_of(dense, [2])


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -1.0, -0.0])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_an_activation_that_is_not_finite_and_positive_is_refused(
    value: float, dtype: type[np.floating]
) -> None:
    shards = good_shards()
    values = shards[1].activations.astype(dtype)
    values[2] = value
    shards[1] = replace(shards[1], activations=values)
    with pytest.raises(CorruptArtifactError, match=r"shard 1, row 2 \(latent 1, token 3\).*finite"):
        merge(shards, 2, 4)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([3, 2, 2], "row 2 .*duplicate"),
        ([3, 3, 2], "row 2 .*tokens fall"),
        ([3, 2, 4], r"row 2 .*covers tokens 2 to 4"),
        ([1, 2, 3], r"row 0 .*covers tokens 2 to 4"),
    ],
)
def test_tokens_out_of_order_or_bounds_are_refused(tokens: list[int], message: str) -> None:
    shards = good_shards()
    shards[1] = replace(shards[1], tokens=np.array(tokens, dtype=np.uint32))
    with pytest.raises(CorruptArtifactError, match="shard 1, " + message):
        merge(shards, 2, 4)


def test_a_firing_that_an_earlier_shard_has_is_refused() -> None:
    first, _ = good_shards()
    again = [first, replace(first, name="again")]
    indptr = merged_indptr(again, 2)
    with pytest.raises(CorruptArtifactError, match=r"again, row 0 .*earlier shard"):
        merge_block(again, indptr, 0, 2, dtype=np.dtype(np.float16))


def test_shards_that_overlap_or_are_out_of_order_are_refused() -> None:
    first, second = good_shards()
    with pytest.raises(CorruptArtifactError, match=r"again covers tokens 0 to 2, but an earlier"):
        merge([first, replace(first, name="again")], 2, 4)
    with pytest.raises(CorruptArtifactError, match=r"shard 0 covers tokens 0 to 2.* below 4"):
        merge([second, first], 2, 4)
    with pytest.raises(CorruptArtifactError, match=r"shard 0 covers tokens 2 to 0"):
        merge([replace(first, start=2, stop=0)], 2, 4)


def test_the_first_of_several_bad_shards_is_named_whichever_thread_is_faster() -> None:
    dense = np.ones((64, 8), dtype=np.float16)
    shards = reference.shards_of(dense, list(range(1, 64)))
    for number in (20, 40, 60):
        shards[number] = replace(shards[number], activations=np.zeros(8, dtype=np.float16))
    for _ in range(5):
        with pytest.raises(CorruptArtifactError, match=r"shard 20, row 0 \(latent 0, token 20\)"):
            merge(shards, 8, 64, block_firings=1, n_workers=3)


def test_shards_of_another_sae_or_corpus_are_refused() -> None:
    with pytest.raises(CorruptArtifactError, match="has 2 latents, expected 3"):
        merge(good_shards(), 3, 4)
    with pytest.raises(CorruptArtifactError, match=r"shard 1 covers tokens 2 to 4.*3 rows"):
        merge(good_shards(), 2, 3)


@given(counts=st.lists(st.integers(0, 5)), max_entries=st.integers(1, 7))
def test_row_blocks_cover_all_rows_in_order_and_stay_bounded(
    counts: list[int], max_entries: int
) -> None:
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    blocks = list(row_blocks(indptr, max_entries=max_entries))
    rows = [row for first, last in blocks for row in range(first, last)]
    assert rows == list(range(len(counts)))
    for first, last in blocks:
        assert last == first + 1 or indptr[last] - indptr[first] <= max_entries
