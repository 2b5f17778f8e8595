"""Shards turned into firings by token."""

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
from feature_manifold.index.transpose import TokenRange, sort_by_token, sort_range, token_ranges
from feature_manifold.store.firings import FiringsByToken
from feature_manifold.store.shards import Shard

HALF = np.dtype(np.float16)


def sort(shards: list[Shard], n_tokens: int, **options: int) -> FiringsByToken:
    written = Written(shards)
    indptr = sort_by_token(
        shards, n_tokens=n_tokens, write=written, progress=SilentProgress(), **options
    )
    return FiringsByToken(indptr, *written.whole())


def assert_same(found: FiringsByToken, expected: FiringsByToken) -> None:
    np.testing.assert_array_equal(found.indptr, expected.indptr)
    np.testing.assert_array_equal(found.latents, expected.latents)
    np.testing.assert_array_equal(found.activations, expected.activations)


@settings(deadline=None)
@given(dense=activations(), data=st.data())
def test_sorted_shards_equal_the_index_by_token(dense: Array, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, dense.shape[0]), max_size=4))
    block, n_workers = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 3))
    shards = reference.shards_of(dense, cuts)
    found = sort(shards, dense.shape[0], block_firings=block, n_workers=n_workers)
    assert_same(found, reference.by_token_of(dense))


@settings(deadline=None)
@given(dense=activations(), max_firings=st.integers(1, 40))
def test_ranges_cover_a_shard_and_stay_bounded(dense: Array, max_firings: int) -> None:
    (shard,) = reference.shards_of(dense, [])
    ranges = token_ranges(shard, max_firings)
    tokens = [token for found in ranges for token in range(found.first, found.last)]
    assert tokens == list(range(dense.shape[0]))
    for found in ranges:
        own = int((dense[found.first : found.last] > 0).sum())
        assert found.n_firings == own
        assert own <= max_firings or found.last == found.first + 1


def test_no_shards_make_an_index_of_silent_tokens() -> None:
    found = sort([], 3)
    assert found.indptr.tolist() == [0, 0, 0, 0]
    assert found.latents.dtype == np.uint32


def test_tokens_that_no_shard_covers_are_silent() -> None:
    dense = np.array([[0], [0], [1], [0], [2], [0]], dtype=np.float16)
    shards = reference.shards_of(dense, [2, 3, 4, 5])
    found = sort([shards[1], shards[3]], 6, block_firings=1)
    assert_same(found, reference.by_token_of(dense))


def test_one_wide_shard_makes_the_index_float32() -> None:
    dense = np.array([[1.5, 0], [2.5, 7]], dtype=np.float16)
    shards = reference.shards_of(dense, [1])
    shards[1] = replace(shards[1], activations=np.array([2.5, 1e6], dtype=np.float32))
    found = sort(shards, 2)
    assert found.activations.dtype == np.float32
    assert found.activations.tolist() == [1.5, 2.5, 1e6]


def bad_shards(**changes: Array) -> list[Shard]:
    dense = np.array([[1, 0], [2, 3], [0, 4], [5, 6]], dtype=np.float16)
    shards = reference.shards_of(dense, [2])
    shards[1] = replace(shards[1], **changes)
    return shards


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -1.0, -0.0])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("block_firings", [1, 100])
def test_an_activation_that_is_not_finite_and_positive_is_refused(
    value: float, dtype: type[np.floating], block_firings: int
) -> None:
    shards = bad_shards(activations=np.array([5, 4, value], dtype=dtype))
    with pytest.raises(CorruptArtifactError, match=r"shard 1, row 2 \(latent 1, token 3\).*finite"):
        sort(shards, 4, block_firings=block_firings)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([3, 2, 2], "row 2 .*duplicate"),
        ([3, 3, 2], "row 2 .*tokens fall"),
        ([3, 2, 4], r"row 2 .*covers tokens 2 to 4"),
        ([1, 2, 3], r"row 0 .*covers tokens 2 to 4"),
        ([2**32 - 1, 2, 3], r"row 0 .*covers tokens 2 to 4"),
    ],
)
@pytest.mark.parametrize("block_firings", [1, 100])
def test_tokens_out_of_order_or_bounds_are_refused(
    tokens: list[int], message: str, block_firings: int
) -> None:
    shards = bad_shards(tokens=np.array(tokens, dtype=np.uint32))
    with pytest.raises(CorruptArtifactError, match="shard 1, " + message):
        sort(shards, 4, block_firings=block_firings)


def test_shards_that_overlap_or_are_of_another_corpus_are_refused() -> None:
    first, second = reference.shards_of(np.ones((4, 2), dtype=np.float16), [2])
    with pytest.raises(CorruptArtifactError, match="again covers tokens 0 to 2, but an earlier"):
        sort([first, replace(first, name="again")], 4)
    with pytest.raises(CorruptArtifactError, match=r"shard 1 covers tokens 2 to 4.*3 rows"):
        sort([first, second], 3)


def test_a_shard_that_changes_while_it_is_read_is_refused() -> None:
    (shard,) = reference.shards_of(np.ones((4, 2), dtype=np.float16), [])
    stale = TokenRange(shard, 1, 3, n_firings=3)
    with pytest.raises(CorruptArtifactError, match="changed while it was read.*had 3.*have 4"):
        sort_range(stale, dtype=HALF, block_firings=100)
