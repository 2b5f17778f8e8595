"""Edge files: counts stay whole, foreign types are read, bad files are refused."""

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.store.edges import load_edges, save_edges


def joined(*weights: float, dtype: type = np.float64) -> sp.csr_matrix:
    """Join latent 0 to the others by these weights."""
    dense = np.zeros((len(weights) + 1,) * 2, dtype=dtype)
    dense[0, 1:] = dense[1:, 0] = weights
    return sp.csr_matrix(dense)


@pytest.mark.parametrize(
    ("weights", "dtype"),
    [
        ((1, 5, 2**24), np.float32),
        ((1, 5, 2**24 + 1), np.float64),
        ((7, 2**31 + 3), np.float64),
        ((2**32 - 1, 2**32), np.float64),
        ((), np.float32),
    ],
)
def test_counts_are_never_rounded(weights: tuple[int, ...], dtype: type, tmp_path: Path) -> None:
    save_edges(tmp_path / "coactivation.npz", joined(*weights))
    edges = load_edges(tmp_path / "coactivation.npz")
    assert edges.dtype == dtype
    assert edges.toarray()[0, 1:].tolist() == list(weights)
    # As documented, plain scipy reads the same.
    plain = sp.load_npz(tmp_path / "coactivation.npz")
    assert plain.dtype == dtype
    assert (plain != edges).nnz == 0


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint32, np.float64])
def test_counts_of_another_type_are_read(dtype: type, tmp_path: Path) -> None:
    sp.save_npz(tmp_path / "coactivation.npz", joined(3, 2**24 + 1, dtype=dtype))
    edges = load_edges(tmp_path / "coactivation.npz")
    assert edges.dtype == np.float64
    assert edges[2, 0] == 2**24 + 1
    sp.save_npz(tmp_path / "small.npz", joined(3, 4, dtype=dtype))
    assert load_edges(tmp_path / "small.npz").dtype == np.float32


@pytest.mark.parametrize("weight", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(weight: float, tmp_path: Path) -> None:
    sp.save_npz(tmp_path / "edges.npz", joined(weight))
    with pytest.raises(CorruptArtifactError, match="finite"):
        load_edges(tmp_path / "edges.npz")
