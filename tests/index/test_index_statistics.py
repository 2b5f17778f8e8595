"""Statistics and labels of latents."""

import numpy as np
from hypothesis import given, settings, strategies as st
from tests import reference
from tests.firing_strategies import activations

from feature_manifold.core.arrays import Array
from feature_manifold.core.progress import SilentProgress
from feature_manifold.index.labels import shard_labels
from feature_manifold.index.statistics import latent_statistics


@settings(deadline=None)
@given(dense=activations(), data=st.data())
def test_statistics_equal_the_obvious_ones(dense: Array, data: st.DataObject) -> None:
    ids = st.lists(st.integers(-1, 4), min_size=dense.shape[0], max_size=dense.shape[0])
    token_id = np.array(data.draw(ids), dtype=np.int32)
    firings = reference.by_latent_of(dense)
    found = latent_statistics(firings, token_id, progress=SilentProgress())
    np.testing.assert_array_equal(found, reference.statistics_of(firings, token_id))

    cuts = data.draw(st.lists(st.integers(0, dense.shape[0]), max_size=3))
    shards = reference.shards_of(dense, cuts)
    labels = shard_labels(shards, token_id, progress=SilentProgress())
    np.testing.assert_array_equal(labels.token_id, found["label_token_id"])
    np.testing.assert_array_equal(labels.count, found["label_count"])
    np.testing.assert_array_equal(labels.total, found["count"])


def test_means_of_many_small_activations_do_not_drift() -> None:
    dense = np.full((100_000, 1), np.float16(0.1))
    firings = reference.by_latent_of(dense)
    token_id = np.zeros(len(dense), dtype=np.int32)
    (found,) = latent_statistics(firings, token_id, progress=SilentProgress())
    assert found["mean"] == np.float32(np.float16(0.1))
