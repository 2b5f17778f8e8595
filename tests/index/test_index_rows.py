"""The specification's rows turned into shards and a token table."""

import numpy as np
import pytest
from hypothesis import given, settings
from tests import reference
from tests.firing_strategies import activations

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.index.rows import sort_firings, token_table_of_rows
from feature_manifold.store.spec_layout import FiringRows


@settings(deadline=None)
@given(dense=activations())
def test_sorted_rows_equal_the_index_by_latent(dense: Array) -> None:
    tokens, latents = np.nonzero(dense)
    # Within a token the rows may stand in any order.
    order = np.lexsort((-latents, tokens))
    tokens, latents = tokens[order], latents[order].astype(np.int32)
    shard = sort_firings(
        latents, tokens, dense[tokens, latents], dense.shape[1], n_tokens=dense.shape[0]
    )
    expected = reference.by_latent_of(dense)
    np.testing.assert_array_equal(shard.indptr, expected.indptr)
    np.testing.assert_array_equal(shard.tokens, expected.tokens)
    np.testing.assert_array_equal(shard.activations, expected.activations)
    if len(tokens):
        assert (shard.start, shard.stop) == (tokens.min(), tokens.max() + 1)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("latents", 9, "row 2: bad latent 9"),
        ("latents", -1, "row 2: bad latent -1"),
        ("tokens", 99, "row 2: bad token 99"),
        ("tokens", 0, "row 2: bad token, lower than the last, 0"),
        ("activations", np.nan, "row 2: bad activation nan"),
        ("activations", -0.5, "row 2: bad activation -0.5"),
        ("activations", 0, "row 2: bad activation 0"),
        ("latents", 0, "row 2: bad duplicate firing, token 1"),
    ],
)
def test_bad_rows_are_refused_by_number(column: str, value: float, message: str) -> None:
    columns = {
        "latents": np.array([1, 0, 1, 1], dtype=np.int32),
        "tokens": np.array([0, 1, 1, 3]),
        "activations": np.array([1, 2, 3, 4], dtype=np.float16),
    }
    columns[column][2] = value
    with pytest.raises(CorruptArtifactError, match="day.npz, " + message):
        sort_firings(**columns, n_latents=2, n_tokens=4, name="day.npz")


def rows(**changes: Array) -> FiringRows:
    columns = {
        "token_indices": np.array([1, 1, 4, 6]),
        "latent_indices": np.array([0, 1, 0, 1], dtype=np.int32),
        "activations": np.ones(4, dtype=np.float16),
        "token_ids": np.array([7, 7, 8, 9], dtype=np.int32),
        "doc_ids": np.array([0, 0, 1, 1], dtype=np.int32),
        "positions": np.array([1, 1, 2, 4], dtype=np.int16),
    }
    return FiringRows(**{**columns, **changes})


def test_the_token_table_knows_tokens_that_fired_and_no_others() -> None:
    table = token_table_of_rows([rows()], 9)
    assert table.token_id.tolist() == [-1, 7, -1, -1, 8, -1, 9, -1, -1]
    assert table.doc_id.tolist() == [-1, 0, -1, -1, 1, -1, 1, -1, -1]
    assert table.position.tolist() == [-1, 1, -1, -1, 2, -1, 4, -1, -1]
    # The second document's token 4 is at position 2, so that it starts at token 2.
    assert table.windows.tolist() == [0, 2, 9]


def test_rows_that_disagree_about_a_token_are_refused() -> None:
    with pytest.raises(CorruptArtifactError, match="row 0: bad token_ids"):
        token_table_of_rows([rows(token_ids=np.array([6, 7, 8, 9], dtype=np.int32))], 9)
    other = rows(positions=np.array([0, 0, 2, 4], dtype=np.int16))
    with pytest.raises(CorruptArtifactError, match="row 0: bad positions"):
        token_table_of_rows([rows(), other], 9)
    with pytest.raises(CorruptArtifactError, match="row 3: bad token 6"):
        token_table_of_rows([rows()], 6)
