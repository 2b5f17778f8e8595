"""The specification's rows turned into shards and a token table."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tests import reference
from tests.firing_strategies import activations

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.index.rows import (
    check_firings,
    sort_firings,
    token_table_of_rows,
    windows_and_documents,
)
from feature_manifold.store.spec_layout import FiringBlock, TokenRows


@settings(deadline=None)
@given(dense=activations())
def test_sorted_rows_equal_the_index_by_latent(dense: Array) -> None:
    tokens, latents = np.nonzero(dense)
    # Within a token the rows may stand in any order.
    order = np.lexsort((-latents, tokens))
    tokens, latents = tokens[order].astype(np.uint32), latents[order].astype(np.int32)
    block = FiringBlock(tokens, latents, dense[tokens, latents], 0, "day.npz")
    check_firings(block, n_latents=dense.shape[1], n_tokens=dense.shape[0])
    shard = sort_firings(latents, tokens, block.activations, dense.shape[1])
    expected = reference.by_latent_of(dense)
    np.testing.assert_array_equal(shard.indptr, expected.indptr)
    np.testing.assert_array_equal(shard.tokens, expected.tokens)
    np.testing.assert_array_equal(shard.activations, expected.activations)
    if len(tokens):
        assert (shard.start, shard.stop) == (tokens.min(), tokens.max() + 1)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("latents", 9, "row 12: bad latent 9, expected 0 to 1"),
        ("latents", -1, "row 12: bad latent -1"),
        ("tokens", 99, "row 12: bad token 99, expected 0 to 3"),
        ("tokens", 0, "row 12: token 0 after 1; rows must be in token order"),
        ("activations", np.nan, "row 12: bad activation nan"),
        ("activations", np.inf, "row 12: bad activation inf"),
        ("activations", -np.inf, "row 12: bad activation -inf"),
        ("activations", -0.5, "row 12: bad activation -0.5"),
        ("activations", 0, "row 12: bad activation 0"),
        ("activations", -0.0, "row 12: bad activation -0.0"),
        ("latents", 0, "row 12: duplicate firing, token 1 and latent 0"),
    ],
)
def test_bad_rows_are_refused_by_number(
    column: str, value: float, message: str, dtype: type
) -> None:
    columns = {
        "tokens": np.array([0, 1, 1, 3], dtype=np.uint32),
        "latents": np.array([1, 0, 1, 1], dtype=np.int32),
        "activations": np.array([1, 2, 3, 4], dtype=dtype),
    }
    columns[column][2] = value
    block = FiringBlock(**columns, first_row=10, name="day.npz")
    with pytest.raises(CorruptArtifactError, match="day.npz, " + message):
        check_and_sort(block)


def check_and_sort(block: FiringBlock) -> None:
    check_firings(block, n_latents=2, n_tokens=4)
    columns = (block.latents, block.tokens, block.activations)
    sort_firings(*columns, 2, place_of=lambda row: (block.name, block.first_row + row))


def test_the_first_row_may_not_be_of_a_token_before_the_last_block() -> None:
    column = np.array([5], dtype=np.uint32)
    block = FiringBlock(column, np.zeros(1, np.int32), np.ones(1, np.float16), 0, "b.npz")
    check_firings(block, n_latents=1, n_tokens=9, after=5)
    with pytest.raises(CorruptArtifactError, match=r"b\.npz, row 0: token 5 after 6"):
        check_firings(block, n_latents=1, n_tokens=9, after=6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_least_and_greatest_activations_pass(dtype: type) -> None:
    info = np.finfo(dtype)
    values = np.array([info.smallest_subnormal, info.max], dtype=dtype)
    block = FiringBlock(np.zeros(2, np.uint32), np.arange(2, dtype=np.int32), values, 0, "a.npz")
    check_firings(block, n_latents=2, n_tokens=1)
    assert sort_firings(block.latents, block.tokens, values, 2).activations.tolist() == list(values)


def rows(**changes: Array) -> TokenRows:
    columns = {
        "tokens": np.array([1, 1, 4, 6], dtype=np.uint32),
        "token_ids": np.array([7, 7, 8, 9], dtype=np.int32),
        "doc_ids": np.array([0, 0, 1, 1], dtype=np.int32),
        "positions": np.array([1, 1, 2, 4], dtype=np.int32),
    }
    return TokenRows(**{**columns, **changes}, first_row=0, name="a.npz")


def test_the_token_table_knows_tokens_that_fired_and_no_others() -> None:
    table = token_table_of_rows([rows()], 9)
    assert table.token_id.tolist() == [-1, 7, -1, -1, 8, -1, 9, -1, -1]
    assert table.doc_id.tolist() == [-1, 0, -1, -1, 1, -1, 1, -1, -1]
    assert table.position.tolist() == [-1, 1, -1, -1, 2, -1, 4, -1, -1]
    # The second document's token 4 is at position 2, so that it starts at token 2.
    assert table.windows.tolist() == [0, 2, 9]
    assert table.documents.tolist() == [[-1, 0], [-1, 1]]


@pytest.mark.parametrize("n_tokens", [0, 5])
def test_a_table_of_which_nothing_is_known_is_one_window(n_tokens: int) -> None:
    table = token_table_of_rows([], n_tokens)
    assert table.windows.tolist() == [0, n_tokens]
    assert table.documents.shape == (0, 2)


@settings(deadline=None)
@given(data=st.data())
def test_windows_start_where_a_document_must_have_begun(data: st.DataObject) -> None:
    doc_id = np.array(data.draw(st.lists(st.integers(-1, 3), max_size=12)), dtype=np.int32)
    places = st.lists(st.integers(0, 9), min_size=len(doc_id), max_size=len(doc_id))
    position = np.array(data.draw(places), dtype=np.int32)
    known = [token for token in range(len(doc_id)) if doc_id[token] != -1]
    starts = [0]
    for before, token in itertools.pairwise(known):
        if doc_id[token] != doc_id[before]:
            starts.append(max(token - int(position[token]), before + 1))
    windows, documents = windows_and_documents(doc_id, position)
    assert windows.tolist() == [*starts, len(doc_id)]
    assert len(documents) == max(doc_id, default=-1) + 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"token_ids": np.array([6, 7, 8, 9])}, "row 1: token_id 7, not that of an earlier row"),
        ({"doc_ids": np.array([0, 2, 1, 1])}, "row 1: doc_id 2, not that"),
        ({"positions": np.array([1, 3, 2, 4])}, "row 1: position 3, not that"),
        ({"positions": np.array([1, 1, 2, -32768])}, "row 3: bad position -32768.*int16"),
        ({"token_ids": np.array([7, 7, 8, -1])}, "row 3: bad token_id -1"),
        ({"token_ids": np.array([7, 7, 8, 1 << 24])}, "row 3: bad token_id 16777216"),
        ({"doc_ids": np.array([0, 0, 1, -1])}, "row 3: bad doc_id -1"),
        ({"doc_ids": np.array([0, 0, 1, 1 << 24])}, "row 3: bad doc_id 16777216"),
        ({"tokens": np.array([1, 1, 6, 4])}, "row 3: token 4 after 6"),
        ({"tokens": np.array([1, 1, 4, 9])}, "row 3: bad token 9, expected 0 to 8"),
    ],
)
def test_rows_that_cannot_be_are_refused(changes: dict[str, Array], message: str) -> None:
    kinds = {"tokens": np.uint32}
    typed = {name: column.astype(kinds.get(name, np.int32)) for name, column in changes.items()}
    with pytest.raises(CorruptArtifactError, match=r"a\.npz, " + message):
        token_table_of_rows([rows(**typed)], 9)


def test_rows_that_disagree_with_another_shard_are_refused() -> None:
    later = rows(tokens=np.array([6, 6, 7, 8], dtype=np.uint32))
    with pytest.raises(CorruptArtifactError, match="row 0: token_id 7, not that"):
        token_table_of_rows([rows(), later], 9)
