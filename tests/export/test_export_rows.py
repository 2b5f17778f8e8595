"""Native shards written as the specification's rows."""

import numpy as np
from hypothesis import given, settings, strategies as st
from tests import reference
from tests.firing_strategies import activations

from feature_manifold.core.arrays import Array
from feature_manifold.export.rows import spec_rows
from feature_manifold.index.rows import sort_firings, token_table_of_rows
from feature_manifold.store.spec_layout import TokenRows
from feature_manifold.store.token_table import TokenTable


def table_of(n_tokens: int, *, first_position: int = 0) -> TokenTable:
    rows = np.arange(n_tokens, dtype=np.int32)
    windows = np.array([0, n_tokens], dtype=np.int64)
    zeros = np.zeros(n_tokens, dtype=np.int32)
    return TokenTable(rows % 5, zeros, rows + first_position, windows, np.zeros((1, 2), np.int64))


@settings(deadline=None)
@given(dense=activations(), data=st.data())
def test_rows_read_back_are_the_same_firings(dense: Array, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, dense.shape[0]), max_size=3))
    table = table_of(dense.shape[0])
    shards = reference.shards_of(dense, cuts)
    found = list(spec_rows(shards, table, rows_per_shard=data.draw(st.integers(1, 30))))
    joined = {
        name: np.concatenate([getattr(rows, name) for rows in found])
        for name in ("token_indices", "latent_indices", "activations")
    }
    expected = list(zip(*np.nonzero(dense), strict=True))
    assert list(zip(joined["token_indices"], joined["latent_indices"], strict=True)) == expected
    again = sort_firings(
        joined["latent_indices"],
        joined["token_indices"].astype(np.uint32),
        joined["activations"],
        dense.shape[1],
    )
    np.testing.assert_array_equal(again.activations, reference.by_latent_of(dense).activations)
    blocks = [
        TokenRows(rows.token_indices, rows.token_ids, rows.doc_ids, rows.positions, 0, rows.name)
        for rows in found
    ]
    rebuilt = token_table_of_rows(blocks, dense.shape[0])
    fired = dense.any(axis=1)
    np.testing.assert_array_equal(rebuilt.token_id[fired], table.token_id[fired])
    np.testing.assert_array_equal(rebuilt.position[fired], table.position[fired])


def test_positions_are_int16_until_a_document_is_too_long() -> None:
    dense = np.ones((3, 1), dtype=np.float16)
    (rows,) = spec_rows(reference.shards_of(dense, []), table_of(3))
    assert [column.dtype for column in (rows.token_indices, rows.latent_indices)] == [
        np.dtype(np.int64),
        np.dtype(np.int32),
    ]
    assert (rows.activations.dtype, rows.positions.dtype) == (np.float16, np.int16)
    (long,) = spec_rows(reference.shards_of(dense, []), table_of(3, first_position=40_000))
    assert long.positions.tolist() == [40_000, 40_001, 40_002]
