"""Firings by latent turned into firings by token."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tests import reference
from tests.firing_strategies import activations

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.core.progress import SilentProgress
from feature_manifold.index.transpose import transpose


@settings(deadline=None)
@given(dense=activations(), block=st.integers(1, 40))
def test_transposed_firings_equal_the_index_by_token(dense: Array, block: int) -> None:
    found = transpose(reference.by_latent_of(dense), progress=SilentProgress(), block_firings=block)
    expected = reference.by_token_of(dense)
    np.testing.assert_array_equal(found.indptr, expected.indptr)
    np.testing.assert_array_equal(found.latents, expected.latents)
    np.testing.assert_array_equal(found.activations, expected.activations)
    assert found.latents.dtype == np.uint32


def test_float32_activations_stay_as_they_are() -> None:
    dense = np.array([[0.1, 1e6], [0.2, 0]], dtype=np.float32)
    found = transpose(reference.by_latent_of(dense), progress=SilentProgress())
    np.testing.assert_array_equal(found.activations, np.float32([0.1, 1e6, 0.2]))


@pytest.mark.parametrize("tokens", [[1, 0, 1], [0, 0, 1], [0, 1, 2]])
def test_an_index_out_of_order_or_bounds_is_refused(tokens: list[int]) -> None:
    good = reference.by_latent_of(np.array([[1, 0], [2, 3]], dtype=np.float16))
    bad = replace(good, tokens=np.array(tokens, dtype=np.uint32))
    with pytest.raises(CorruptArtifactError, match="Make the index again"):
        transpose(bad, progress=SilentProgress())
