"""What is drawn of a large cloud: seeded, in order, with something of every member, and stated."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tests.geometry.clusters_of_latents import Latents, latents
from tests.reference import by_latent_of

from feature_manifold.core.errors import InputError
from feature_manifold.geometry.cloud import Cloud, build_cloud
from feature_manifold.geometry.sampling import display_sample


@given(latents(), st.integers(1, 30), st.integers(0, 3))
@settings(max_examples=150, deadline=None)
def test_a_sample_is_in_token_order_and_says_what_it_kept(case: Latents, n: int, seed: int) -> None:
    cloud = build_cloud(case.firings, case.decoder, list(range(len(case.decoder))))
    sample = display_sample(cloud, n, seed)
    assert sample.n_shown == len(sample.rows) == min(n, cloud.n_points)
    assert sample.n_points == cloud.n_points
    assert (np.diff(sample.rows) > 0).all()
    fires = cloud.activations.toarray() > 0
    assert sample.of.tolist() == fires.sum(axis=0).tolist()
    assert sample.shown.tolist() == fires[sample.rows].sum(axis=0).tolist()
    firing = int((sample.of > 0).sum())
    if n >= firing:
        assert (sample.shown[sample.of > 0] > 0).all()
    share = np.minimum(sample.of, n // (2 * max(firing, 1)))
    assert (sample.shown >= share).all()
    np.testing.assert_array_equal(display_sample(cloud, n, seed).rows, sample.rows)


def large() -> tuple[Cloud, Cloud]:
    """Return two clouds that differ by a member: one member fires everywhere, one 12 times."""
    random = np.random.default_rng(0)
    n = 20_000
    dense = np.zeros((n, 4), dtype=np.float16)
    dense[:, 0] = 1
    dense[random.choice(n, 12, replace=False), 1] = 1
    dense[random.random(n) < 0.1, 2] = 1
    dense[random.random(n) < 0.1, 3] = 1
    firings, decoder = by_latent_of(dense), np.eye(4, dtype=np.float32)
    return build_cloud(firings, decoder, [0, 1, 2]), build_cloud(firings, decoder, range(4))


def test_rare_members_stay_visible_and_neighbours_show_the_same_tokens() -> None:
    cloud, neighbour = large()
    sample = display_sample(cloud, 1000, 0)
    assert sample.of[1] == 12
    assert sample.shown[1] == 12
    assert sample.shown[2] >= 1000 // 6
    assert len(np.intersect1d(sample.rows, display_sample(neighbour, 1000, 0).rows)) > 800
    assert len(np.intersect1d(sample.rows, display_sample(cloud, 1000, 1).rows)) < 200


def test_a_sample_is_spread_over_the_corpus() -> None:
    cloud, _ = large()
    tenths = np.histogram(display_sample(cloud, 1000, 0).rows, bins=10, range=(0, 20_000))[0]
    # Binomial(1000, 0.1): five standard deviations are 47.
    assert np.abs(tenths - 100).max() < 48


def test_with_few_points_the_rarest_members_come_first() -> None:
    dense = np.zeros((30, 3), dtype=np.float16)
    dense[:, 0] = 1
    dense[4:7, 2] = 1
    cloud = build_cloud(by_latent_of(dense), np.eye(3, dtype=np.float32), [0, 1, 2])
    sample = display_sample(cloud, 1, 0)
    assert sample.shown.tolist() == [1, 0, 1]
    with pytest.raises(InputError, match="at least 1"):
        display_sample(cloud, 0, 0)
