"""Token rows by token id."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.examples import type_rows
from feature_manifold.examples.type_rows import rows_by_type, type_offsets
from feature_manifold.store.npy import save_npy
from feature_manifold.store.type_rows import TYPE_INDPTR, open_type_rows, save_type_rows


def token_ids(values: list[int]) -> Array:
    return np.array(values, dtype=np.int32)


@settings(deadline=None)
@given(
    values=st.lists(st.integers(-1, 9), max_size=60),
    block_rows=st.integers(1, 70),
    count_rows=st.integers(1, 70),
)
def test_rows_equal_a_stable_sort_whatever_the_blocks(
    values: list[int], block_rows: int, count_rows: int
) -> None:
    token_id = token_ids(values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type_rows, "COUNT_ROWS", count_rows)
        offsets = type_offsets(token_id)
    blocks = list(rows_by_type(token_id, offsets, block_rows=block_rows))
    order = np.argsort(token_id, kind="stable")
    expected = order[token_id[order] >= 0]
    found = np.concatenate([np.zeros(0, dtype=np.uint32), *blocks])
    np.testing.assert_array_equal(found, expected)
    assert all(block.dtype == np.uint32 for block in blocks)
    known = token_id[token_id >= 0]
    np.testing.assert_array_equal(np.diff(offsets), np.bincount(known, minlength=len(offsets) - 1))


def test_a_block_holds_no_more_rows_than_asked_but_for_one_token_id() -> None:
    token_id = token_ids([3, 3, 3, 3, 3, 0, 1, 1, 2, 0])
    blocks = list(rows_by_type(token_id, type_offsets(token_id), block_rows=2))
    assert max(map(len, blocks)) <= 2 + 5
    assert len(blocks) > 2


def test_rows_are_found_by_token_id_and_ids_that_do_not_occur_have_none(tmp_path: Path) -> None:
    token_id = token_ids([4, -1, 0, 4])
    offsets = type_offsets(token_id)
    save_type_rows(tmp_path, offsets, rows_by_type(token_id, offsets))
    found = open_type_rows(tmp_path)
    assert found.n_types == 5
    assert [found.rows(each).tolist() for each in (0, 1, 4, 5, -1)] == [[2], [], [0, 3], [], []]
    assert [found.count(each) for each in (0, 1, 4, 5, -1)] == [1, 0, 2, 0, 0]


def test_offsets_that_do_not_fit_the_rows_are_refused(tmp_path: Path) -> None:
    token_id = token_ids([1, 0, 1])
    offsets = type_offsets(token_id)
    save_type_rows(tmp_path, offsets, rows_by_type(token_id, offsets))
    save_npy(tmp_path / TYPE_INDPTR, np.array([0, 1, 4]))
    with pytest.raises(CorruptArtifactError, match="type_indptr"):
        open_type_rows(tmp_path)
