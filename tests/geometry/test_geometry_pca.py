"""Axes equal those of a full-width PCA in float64; signs and order hold between neighbours."""

import itertools
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tests.geometry.clusters_of_latents import Latents, assert_same_bits, latents
from tests.reference import by_latent_of
from threadpoolctl import threadpool_limits

from feature_manifold.core.arrays import Array, Float64Array
from feature_manifold.core.errors import InputError
from feature_manifold.geometry.axes import CLOSE, default_signs, followed
from feature_manifold.geometry.cloud import Cloud, build_cloud
from feature_manifold.geometry.means import type_means
from feature_manifold.geometry.pca import Pca, arrows, fit_pca, project
from feature_manifold.store.firings import FiringsByLatent


def full_width(points: Float64Array, *, centred: bool = True) -> tuple[Float64Array, Array, int]:
    """Return covariance (d, d), its eigenvalues, falling, and the rank, of points (n, d)."""
    if not len(points):
        width = points.shape[1]
        return np.zeros((width, width)), np.zeros(width), 0
    around = points - points.mean(axis=0) if centred else points
    covariance = around.T @ around / len(points)
    rank = np.linalg.matrix_rank(around, tol=1e-6 * max(1e-30, np.abs(points).max()))
    return covariance, np.linalg.eigvalsh(covariance)[::-1], int(rank)


def assert_principal(pca: Pca, points: Float64Array, *, n: int, centred: bool = True) -> None:
    """Fail unless the axes are the ``n`` first principal ones of points (n, d_model)."""
    covariance, variances, rank = full_width(points, centred=centred)
    size = max(1e-30, float((points**2).sum(axis=1).max(initial=0)))
    assert pca.rank == rank
    assert pca.n_components == min(n, rank)
    c = pca.n_components
    np.testing.assert_allclose(pca.variances, variances[:c], rtol=1e-10, atol=1e-13 * size)
    directions = pca.directions()
    np.testing.assert_allclose(directions @ directions.T, np.eye(c), atol=1e-12)
    np.testing.assert_allclose(
        covariance @ directions.T, directions.T * pca.variances, atol=1e-12 * size
    )
    if c:
        np.testing.assert_allclose(pca.share, variances[:c] / variances.sum(), atol=1e-10)
    mean = points.mean(axis=0) if centred and len(points) else np.zeros(points.shape[1])
    np.testing.assert_allclose(pca.mean @ pca.basis, mean, atol=1e-12 * np.sqrt(size))


@given(latents(), st.integers(1, 13), st.booleans(), st.data())
@settings(max_examples=200, deadline=None)
def test_axes_are_those_of_the_full_width_reconstructions(
    case: Latents, n: int, centred: bool, data: st.DataObject
) -> None:
    members = data.draw(st.sets(st.integers(0, len(case.decoder) - 1), min_size=1))
    cloud = build_cloud(case.firings, case.decoder, list(members))
    pca = fit_pca(cloud, n, centred=centred)
    _, points = case.reconstructions(list(members))
    assert_principal(pca, points, n=n, centred=centred)
    shown = project(cloud, pca)
    assert shown.dtype == np.float32
    expected = (points - pca.mean @ pca.basis) @ pca.directions().T
    np.testing.assert_allclose(shown, expected, rtol=1e-6, atol=1e-5)
    tips = case.decoder[sorted(members)].astype(np.float64) @ pca.directions().T
    np.testing.assert_allclose(arrows(cloud, pca), tips, atol=1e-12)


def cluster(dense: Array, decoder: Array) -> Latents:
    return Latents(np.asarray(dense, dtype=np.float32), np.asarray(decoder, dtype=np.float32))


RANDOM = np.random.default_rng(3)
AWKWARD = {
    "equal decoder rows": (cluster(RANDOM.random((50, 4)), np.ones((4, 6))), 1),
    "zero decoder rows": (cluster(RANDOM.random((50, 4)), np.zeros((4, 6))), 0),
    "more members than d_model": (
        cluster(RANDOM.random((50, 9)), RANDOM.standard_normal((9, 3))),
        3,
    ),
    "one point": (cluster([[0.3, 0.7]], RANDOM.standard_normal((2, 6))), 0),
    "two points": (cluster([[0.3, 0.7], [0.1, 0]], RANDOM.standard_normal((2, 6))), 1),
    "points all alike": (cluster(np.full((5000, 3), 0.1), RANDOM.standard_normal((3, 6))), 0),
    "far from the origin": (
        cluster(1000 + RANDOM.random((500, 3)), RANDOM.standard_normal((3, 8))),
        3,
    ),
}


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_clusters_have_fewer_axes_and_no_nan(name: str) -> None:
    case, rank = AWKWARD[name]
    members = list(range(len(case.decoder)))
    cloud = build_cloud(case.firings, case.decoder, members)
    for n in (1, 13):
        pca = fit_pca(cloud, n)
        assert pca.rank == rank
        assert_principal(pca, case.reconstructions(members)[1], n=n)
        shown = project(cloud, pca)
        assert shown.shape == (cloud.n_points, min(n, rank))
        assert np.isfinite(shown).all()
        # A neighbour without axes leaves nothing to follow.
        again = fit_pca(cloud, n, reference=replace(pca, axes=pca.axes[:0]))
        np.testing.assert_array_equal(again.axes, pca.axes)


def test_no_points_have_no_axes() -> None:
    case = cluster(np.zeros((4, 2)), np.eye(2))
    cloud = build_cloud(case.firings, case.decoder, [0, 1])
    pca = fit_pca(cloud, 3)
    assert (pca.n_components, pca.rank, pca.n_fitted) == (0, 0, 0)
    assert project(cloud, pca).shape == (0, 0)


def ring(n_tokens: int = 2000, n_latents: int = 24, *, seed: int = 0) -> Latents:
    """Latents tuned to places on a circle, in pairs of planes of nearly the same size."""
    random = np.random.default_rng(seed)
    angles = random.uniform(0, 2 * np.pi, n_tokens)
    places = 2 * np.pi * np.arange(n_latents) / n_latents
    dense = np.maximum(np.cos(angles[:, None] - places) - 0.7, 0) * 10
    planes = np.stack([np.cos(places), np.sin(places), np.cos(2 * places), np.sin(2 * places)])
    mixed = np.linalg.qr(random.standard_normal((32, 4)))[0] @ planes
    decoder = mixed.T + 0.02 * random.standard_normal((n_latents, 32))
    return cluster(dense, decoder)


def test_options_fit_what_they_say() -> None:
    case = ring(300)
    members = list(range(0, 24, 2))
    cloud = build_cloud(case.firings, case.decoder, members)
    tokens, points = case.reconstructions(members)
    active = (case.dense[tokens.astype(int)][:, members] > 0).sum(axis=1)
    norms = np.linalg.norm(points, axis=1)
    unit = points / norms[:, None]
    ids = np.random.default_rng(0).integers(0, 9, len(points))
    assert_principal(fit_pca(cloud, 3, unit=True), unit, n=3)
    assert_principal(
        fit_pca(cloud, 3, min_norm=2, min_active=2), points[(norms >= 2) & (active >= 2)], n=3
    )
    means = np.stack([unit[ids == each].mean(axis=0) for each in (1, 4, 5, 7)])
    pca = fit_pca(
        cloud, 3, unit=True, fit_on="type_means", token_ids=ids, types=np.array([7, 1, 5, 4, 99])
    )
    assert pca.n_fitted == 4
    assert_principal(pca, means, n=3)
    kept = norms >= 2
    means = np.stack([points[kept & (ids == each)].mean(axis=0) for each in range(9)])
    pca = fit_pca(cloud, 3, min_norm=2, fit_on="type_means", token_ids=ids)
    assert_principal(pca, means, n=3)
    shown = project(cloud, fit_pca(cloud, 3, unit=True, centred=False))
    np.testing.assert_allclose(np.linalg.norm(shown, axis=1).max(), 1, atol=0.02)


def test_means_of_types_are_means_of_points() -> None:
    case = ring(200)
    cloud = build_cloud(case.firings, case.decoder, [0, 1, 2, 5])
    ids = np.random.default_rng(1).integers(0, 6, cloud.n_points)
    found = type_means(cloud, ids, np.array([3, 1, 3, 50]))
    assert found.types.tolist() == [1, 3]
    for at, each in enumerate(found.types):
        assert found.counts[at] == (ids == each).sum()
        np.testing.assert_allclose(found.means[at], cloud.points()[ids == each].mean(axis=0))
    assert type_means(cloud, ids).types.tolist() == list(range(6))
    # Of the types of some imports nothing is known: they are not one type.
    assert type_means(cloud, np.where(ids == 2, -1, ids)).types.tolist() == [0, 1, 3, 4, 5]
    with pytest.raises(InputError, match="token ids"):
        type_means(cloud, ids[1:])


def test_points_of_length_zero_have_no_direction() -> None:
    case = cluster([[1, 1], [2, 0], [0, 3], [4, 0]], [[1, 0], [-1, 0]])
    cloud = build_cloud(case.firings, case.decoder, [0, 1])
    pca = fit_pca(cloud, 2, unit=True)
    assert (pca.n_fitted, pca.rank) == (3, 1)
    assert project(cloud, pca)[:, 0] == pytest.approx([-1 / 3, 2 / 3, -4 / 3, 2 / 3])
    means = type_means(cloud, np.array([7, 7, 8, 9]), unit=True)
    assert means.counts.tolist() == [1, 1, 1]


def test_the_furthest_member_points_upwards_and_of_equals_the_first() -> None:
    reach = np.array([[1.0, -2.0, 1.0, 0.0], [-3.0, 1.0, -1.0, 0.0], [2.0, 2.0 - 1e-9, 0.5, 0.0]])
    assert default_signs(reach).tolist() == [-1, -1, 1, 1]
    assert default_signs(np.zeros((3, 0))).tolist() == []


@given(st.integers(1, 5), st.integers(0, 6), st.data())
@settings(max_examples=100, deadline=None)
def test_axes_follow_a_reference_as_far_as_their_variances_allow(
    q: int, m: int, data: st.DataObject
) -> None:
    n_axes = data.draw(st.integers(1, q))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    variances = np.sort(random.choice([1, 1.2, 1.3, 1.6, 2.5], size=q) * 1.0)[::-1]
    overlap = random.uniform(-1, 1, (q, m))
    places, signs = followed(variances, overlap, n_axes=n_axes)

    def gain(axes: tuple[int, ...]) -> float:
        return sum(float(overlap[axis, at]) ** 2 for at, axis in enumerate(axes) if at < m)

    def is_allowed(axes: tuple[int, ...]) -> bool:
        ratios = [variances[axis] / variances[at] for at, axis in enumerate(axes)]
        return all(1 / CLOSE <= ratio <= CLOSE for ratio in ratios)

    options = [axes for axes in itertools.permutations(range(q), n_axes) if is_allowed(axes)]
    assert is_allowed(tuple(places.tolist()))
    assert len(set(places.tolist())) == n_axes
    assert gain(tuple(places.tolist())) == pytest.approx(max(map(gain, options)), abs=1e-6)
    if m == 0:
        assert places.tolist() == list(range(n_axes))
        assert (signs == 1).all()
    else:
        closest = np.abs(overlap[places]).argmax(axis=1)
        assert (overlap[places, closest] * signs > 0).all()


def flips(pca: Pca, before: Pca) -> int:
    """Count axes that are plainly those before, but turned over or needlessly elsewhere."""
    overlap = pca.directions() @ before.directions().T
    found = 0
    for place, row in enumerate(overlap):
        was = int(np.abs(row).argmax())
        if abs(row[was]) < 0.8:
            continue
        found += bool(row[was] < 0)
        if was != place and was < pca.n_components:
            ratio = pca.variances[place] / pca.variances[was]
            found += bool(1 / 1.1 < ratio < 1.1)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_axes_do_not_flip_along_a_walk_through_clusters_of_near_equal_variances(seed: int) -> None:
    case = ring(seed=seed)
    firings = case.firings
    random = np.random.default_rng(seed)
    cloud = build_cloud(firings, case.decoder, list(range(0, 24, 2)))
    before = alone = fit_pca(cloud, 4)
    n_flips = n_flips_alone = 0
    for latent in random.integers(24, size=150).tolist():
        if latent not in cloud.latents:
            cloud = cloud.add(latent, firings, case.decoder)
        elif len(cloud.latents) > 8:
            cloud = cloud.remove(latent, case.decoder)
        pca = fit_pca(cloud, 4, reference=before)
        n_flips += flips(pca, before)
        assert (pca.variances > 0).all()
        by_rank = fit_pca(cloud, 4)
        n_flips_alone += flips(by_rank, alone)
        # The reference chooses among axes; it does not make them.
        assert_are_axes(pca, cloud)
        before, alone = pca, by_rank
    assert n_flips == 0
    assert n_flips_alone > 5


def assert_are_axes(pca: Pca, cloud: Cloud) -> None:
    every = fit_pca(cloud, 100)
    overlap = np.abs(pca.axes @ every.axes.T)
    np.testing.assert_allclose(overlap.max(axis=1), 1, atol=1e-9)
    place = overlap.argmax(axis=1)
    np.testing.assert_allclose(pca.variances, every.variances[place], rtol=1e-12)
    np.testing.assert_allclose(pca.share, every.share[place], rtol=1e-12)
    ratio = pca.variances / every.variances[: len(place)]
    assert ((ratio < CLOSE * 1.001) & (ratio > 0.999 / CLOSE)).all()


def test_a_cloud_can_be_seen_in_the_axes_of_another_cluster() -> None:
    case = ring(300)
    pca = fit_pca(build_cloud(case.firings, case.decoder, list(range(0, 24, 2))), 3)
    cloud = build_cloud(case.firings, case.decoder, [1, 2, 3])
    _, points = case.reconstructions([1, 2, 3])
    expected = (points - pca.mean @ pca.basis) @ pca.directions().T
    np.testing.assert_allclose(project(cloud, pca), expected, atol=1e-5)


def test_impossible_wishes_are_errors() -> None:
    case = ring(100)
    cloud = build_cloud(case.firings, case.decoder, [0, 1, 2])
    with pytest.raises(InputError, match="at least 1"):
        fit_pca(cloud, 0)
    with pytest.raises(InputError, match="token id of every point"):
        fit_pca(cloud, 2, fit_on="type_means")
    other = build_cloud(by_latent_of(np.eye(2, dtype=np.float32)), np.eye(2, 7), [0, 1])
    with pytest.raises(InputError, match="same experiment"):
        fit_pca(cloud, 2, reference=fit_pca(other, 1))


def heavy(n_tokens: int = 20_000, n_members: int = 20, d_model: int = 4096) -> Latents:
    random = np.random.default_rng(0)
    fires = random.random((n_tokens, n_members)) < 0.2
    dense = np.where(fires, random.gamma(4, 2, fires.shape), 0)
    return cluster(dense, random.standard_normal((n_members, d_model)))


def firings_of(case: Latents) -> FiringsByLatent:
    """Index a large matrix, which ``by_latent_of`` does too slowly."""
    latent, tokens = np.nonzero(case.dense.T)
    indptr = np.searchsorted(latent, np.arange(case.dense.shape[1] + 1))
    return FiringsByLatent(
        indptr, tokens.astype(np.uint32), case.dense.T[latent, tokens], len(case.dense)
    )


def test_memory_is_in_proportion_to_the_firings_not_to_the_width() -> None:
    case = heavy()
    firings, members = firings_of(case), range(20)
    project(built := build_cloud(firings, case.decoder, members), fit_pca(built, 13))
    tracemalloc.start()
    try:
        cloud = build_cloud(firings, case.decoder, members)
        project(cloud, fit_pca(cloud, 13, unit=True))
        cloud.remove(3, case.decoder).add(3, firings, case.decoder)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # A decoder row is copied a few times in float64; the points would take 330 MB in float32.
    frame = 6 * 8 * 20 * 4096
    assert peak < 120 * firings.n_firings + frame + (1 << 20)


def test_the_number_of_threads_does_not_change_a_bit() -> None:
    case = heavy(2000, 20, 5376)
    firings = firings_of(case)
    found = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads):
            cloud = build_cloud(firings, case.decoder, range(20))
            pca = fit_pca(cloud, 13, unit=True)
            found.append((cloud, pca, project(cloud, pca)))
    (one, pca_one, shown_one), (two, pca_two, shown_two) = found
    assert_same_bits(one, two)
    assert pca_one.axes.tobytes() == pca_two.axes.tobytes()
    assert shown_one.tobytes() == shown_two.tobytes()
