"""Merging shards into an index sorted by latent."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tests import reference
from tests.firing_strategies import activations

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.core.progress import SilentProgress
from feature_manifold.index.blocks import row_blocks
from feature_manifold.index.merge import activation_dtype, merge_shards, merged_indptr
from feature_manifold.store.firings import FiringsByLatent
from feature_manifold.store.shards import Shard


def merge(
    shards: list[Shard], n_latents: int, n_tokens: int, *, block_firings: int = 1 << 20
) -> FiringsByLatent:
    n_firings = int(merged_indptr(shards, n_latents)[-1])
    tokens = np.zeros(n_firings, dtype=np.uint32)
    values = np.zeros(n_firings, dtype=activation_dtype(shards))
    indptr = merge_shards(
        shards,
        n_latents,
        n_tokens=n_tokens,
        out_tokens=tokens,
        out_activations=values,
        progress=SilentProgress(),
        block_firings=block_firings,
    )
    return FiringsByLatent(indptr, tokens, values, n_tokens)


def assert_same(found: FiringsByLatent, expected: FiringsByLatent) -> None:
    np.testing.assert_array_equal(found.indptr, expected.indptr)
    np.testing.assert_array_equal(found.tokens, expected.tokens)
    np.testing.assert_array_equal(found.activations, expected.activations)


@settings(deadline=None)
@given(dense=activations(), data=st.data())
def test_merged_shards_equal_the_index_of_the_whole(dense: Array, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, dense.shape[0]), max_size=4))
    block = data.draw(st.integers(1, 40))
    shards = reference.shards_of(dense, cuts)
    found = merge(shards, dense.shape[1], dense.shape[0], block_firings=block)
    assert_same(found, reference.by_latent_of(dense))


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
    with pytest.raises(CorruptArtifactError, match=r"again, row 0 .*earlier shard"):
        merge([first, replace(first, name="again")], 2, 4)


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
