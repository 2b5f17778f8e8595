"""Clouds equal the full-width sums, and an edited cloud equals one built anew to the bit."""

import math

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings, strategies as st
from tests.geometry.clusters_of_latents import Latents, assert_same_bits, latents
from tests.reference import by_latent_of

from feature_manifold.core.errors import CorruptArtifactError, InputError
from feature_manifold.geometry.cloud import Cloud, build_cloud
from feature_manifold.geometry.moments import moments_of
from feature_manifold.store.firings import FiringsByLatent

SOME = Latents(
    np.array([[1, 0, 2], [0, 0, 0], [0, 3, 0], [0.5, 0.5, 0.5]], dtype=np.float16),
    np.eye(3, 5, dtype=np.float32),
)


@given(latents(), st.data())
@settings(max_examples=100, deadline=None)
def test_a_cloud_is_the_sum_of_decoder_rows_at_every_token_with_a_firing(
    case: Latents, data: st.DataObject
) -> None:
    n = len(case.decoder)
    members = data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=2 * n))
    cloud = build_cloud(case.firings, case.decoder, members)
    tokens, points = case.reconstructions(members)
    assert cloud.latents.tolist() == sorted(set(members))
    assert cloud.tokens.tolist() == tokens.tolist()
    assert cloud.tokens.dtype == np.uint32
    assert cloud.activations.dtype == np.float32
    assert cloud.activations.has_sorted_indices
    r = len(cloud.basis)
    assert r == min(len(cloud.latents), case.decoder.shape[1])
    np.testing.assert_allclose(cloud.basis @ cloud.basis.T, np.eye(r), atol=1e-12)
    np.testing.assert_allclose(cloud.points() @ cloud.basis, points, atol=1e-12)
    np.testing.assert_allclose(cloud.norms(), np.linalg.norm(points, axis=1), atol=1e-12)
    active = (case.dense[tokens.astype(int)][:, cloud.latents] > 0).sum(axis=1)
    assert cloud.n_active.tolist() == active.tolist()


@given(latents(), st.data())
@settings(max_examples=150, deadline=None)
def test_edits_in_any_order_give_the_bits_of_a_rebuild(case: Latents, data: st.DataObject) -> None:
    n = len(case.decoder)
    firings = case.firings
    members = set(data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=n)))
    cloud = build_cloud(firings, case.decoder, list(members))
    for latent in data.draw(st.lists(st.integers(0, n - 1), max_size=8)):
        if latent not in members:
            cloud = cloud.add(latent, firings, case.decoder)
            members.add(latent)
        elif len(members) > 1:
            cloud = cloud.remove(latent, case.decoder)
            members.remove(latent)
        assert_same_bits(cloud, build_cloud(firings, case.decoder, list(members)))


def test_moments_do_not_drift_over_a_thousand_edits() -> None:
    random = np.random.default_rng(7)
    n_tokens, n_latents = 3000, 40
    fires = random.random((n_tokens, n_latents)) < np.geomspace(0.001, 0.3, n_latents)
    # float32 values whose sums and products are not exact.
    dense = np.where(fires, random.lognormal(0, 2, fires.shape), 0).astype(np.float32)
    firings = by_latent_of(dense)
    decoder = random.standard_normal((n_latents, 16)).astype(np.float32)
    cloud = build_cloud(firings, decoder, [0])
    for latent in random.integers(n_latents, size=1000).tolist():
        if latent not in cloud.latents:
            cloud = cloud.add(latent, firings, decoder)
        elif len(cloud.latents) > 1:
            cloud = cloud.remove(latent, decoder)
    assert_same_bits(cloud, build_cloud(firings, decoder, cloud.latents.tolist()))
    columns = dense[:, cloud.latents].astype(np.float64)
    exact = [[math.fsum(a * b) for a in columns.T] for b in columns.T]
    np.testing.assert_allclose(cloud.moments.products, exact, rtol=1e-15)
    np.testing.assert_allclose(cloud.moments.sums, [math.fsum(a) for a in columns.T], rtol=1e-15)


def test_moments_of_many_equal_numbers_are_off_by_a_rounding_at_most() -> None:
    n = 100_000
    value = float(np.float32(0.1))
    moments = moments_of(sp.csr_matrix(np.full((n, 1), 0.1, dtype=np.float32)))
    assert moments.sums[0] == pytest.approx(n * value, rel=3e-16, abs=0)
    assert moments.products[0, 0] == pytest.approx(n * value**2, rel=3e-16, abs=0)


def test_adding_a_member_changes_nothing() -> None:
    cloud = build_cloud(SOME.firings, SOME.decoder, [0, 2])
    assert cloud.add(2, SOME.firings, SOME.decoder) is cloud


def test_silent_members_make_a_cloud_without_points_that_can_grow() -> None:
    dense = np.array([[0, 0], [0, 2]], dtype=np.float16)
    decoder = np.eye(2, 3, dtype=np.float32)
    cloud = build_cloud(by_latent_of(dense), decoder, [0])
    assert cloud.n_points == 0
    assert cloud.points().shape == (0, 1)
    grown = cloud.add(1, by_latent_of(dense), decoder)
    assert_same_bits(grown, build_cloud(by_latent_of(dense), decoder, [0, 1]))
    assert_same_bits(grown.remove(1, decoder), cloud)


def test_points_are_kept_by_length_and_by_members_firing() -> None:
    cloud = build_cloud(SOME.firings, SOME.decoder, [0, 1, 2])
    assert cloud.tokens.tolist() == [0, 2, 3]
    assert cloud.kept().tolist() == [True, True, True]
    assert cloud.kept(min_active=2).tolist() == [True, False, True]
    assert cloud.kept(min_norm=1).tolist() == [True, True, False]
    assert cloud.kept(min_norm=1, min_active=2).tolist() == [True, False, False]
    part = cloud.selected(cloud.kept(min_active=2))
    assert part.tokens.tolist() == [0, 3]
    assert part.moments.n_points == 2
    np.testing.assert_array_equal(part.points(), cloud.points()[[0, 2]])


@pytest.mark.parametrize("members", [[], [-1], [3], [0, 3]])
def test_members_that_do_not_exist_are_an_error(members: list[int]) -> None:
    with pytest.raises(InputError):
        build_cloud(SOME.firings, SOME.decoder, members)


def test_a_cluster_keeps_its_last_member_and_gives_up_only_members() -> None:
    cloud = build_cloud(SOME.firings, SOME.decoder, [1])
    with pytest.raises(InputError, match="only one"):
        cloud.remove(1, SOME.decoder)
    with pytest.raises(InputError, match="not in the cluster"):
        cloud.remove(0, SOME.decoder)
    with pytest.raises(InputError, match="No latent 3"):
        cloud.add(3, SOME.firings, SOME.decoder)


@pytest.mark.parametrize(
    ("tokens", "activations"),
    [
        ([0, 2, 1], [1, 1, 1]),
        ([0, 1, 1], [1, 1, 1]),
        ([0, 1, 4], [1, 1, 1]),
        ([0, 1, 2], [1, np.inf, 1]),
        ([0, 1, 2], [1, np.nan, 1]),
        ([0, 1, 2], [1, 0, 1]),
        ([0, 1, 2], [1, 1, -1]),
    ],
)
def test_damaged_firings_are_an_error_that_names_the_row(
    tokens: list[int], activations: list[float]
) -> None:
    firings = FiringsByLatent(
        np.array([0, 0, 3]),
        np.array(tokens, dtype=np.uint32),
        np.array(activations, dtype=np.float16),
        4,
    )
    decoder = np.eye(2, dtype=np.float32)
    silent = build_cloud(firings, decoder, [0])
    for make in (
        lambda: build_cloud(firings, decoder, [1]),
        lambda: silent.add(1, firings, decoder),
    ):
        with pytest.raises(CorruptArtifactError, match=r"row \d \(latent 1\)"):
            make()


def test_a_decoder_of_another_sae_or_with_nan_is_an_error() -> None:
    with pytest.raises(CorruptArtifactError, match="two SAEs"):
        build_cloud(SOME.firings, SOME.decoder[:2], [0])
    broken = SOME.decoder.copy()
    broken[2, 1] = np.nan
    with pytest.raises(CorruptArtifactError, match="latent 2"):
        build_cloud(SOME.firings, broken, [0, 2])


def test_blocks_cover_all_points_in_order() -> None:
    n = 200_000
    cloud = Cloud(
        np.arange(1),
        np.arange(n, dtype=np.uint32),
        sp.csr_matrix(np.linspace(1, 2, n, dtype=np.float32)[:, None]),
        np.ones((1, 1)),
        np.ones((1, 1)),
    )
    spans = list(cloud.blocks())
    assert len(spans) > 1
    assert np.concatenate([np.arange(n)[span] for span in spans]).tolist() == list(range(n))
    np.testing.assert_array_equal(cloud.norms(), cloud.points()[:, 0])
