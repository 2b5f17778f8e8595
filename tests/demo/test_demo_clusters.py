"""The measures behind the model card, on shapes whose answers are known."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from feature_manifold.core.rng import generator
from feature_manifold.demo.bars import coordinate_fit, principal_ring, ranked_clusters, ring_in
from feature_manifold.demo.clusters import (
    activation_by_type,
    cloud_of,
    communities,
    loops,
    refined,
    score,
    view_of,
)
from feature_manifold.demo.groups import NUMBERS
from feature_manifold.geometry.measures.loops import regular_loop

pytest.importorskip("ripser")

N_GROUPS, N_WORDS, LATENTS_PER_WORD, D_MODEL = 6, 12, 2, 32


def polygon(n: int) -> NDArray[np.float64]:
    angle = 2 * np.pi * np.arange(n) / n
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def in_space(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn plane points into a D_MODEL-wide space, off its origin."""
    axes = np.linalg.qr(generator(0, "test", "axes").standard_normal((D_MODEL, points.shape[1])))[0]
    return points @ axes.T + 3


@pytest.mark.parametrize("n", [4, 5, 6, 7, 12, 16, 18, 24, 100])
def test_a_regular_polygon_has_the_bar_of_the_formula(n: int) -> None:
    longest, second = loops(polygon(n))
    assert longest == pytest.approx(regular_loop(n), abs=1e-6)
    assert second == 0


def test_two_points_make_no_loop_and_no_division_by_zero() -> None:
    assert loops(np.zeros((2, 3))) == (0, 0)
    assert regular_loop(2) == regular_loop(4) > 0


@pytest.mark.parametrize("turn", [1, -1])
def test_a_circle_in_either_direction_is_a_perfect_ring(turn: int) -> None:
    ring, share = principal_ring(in_space(polygon(12)[::turn]))
    assert ring.resultant == pytest.approx(1)
    assert ring.order == 1
    assert ring.harmonic == pytest.approx(1)
    assert share == pytest.approx(1)


def test_a_circle_visited_by_fives_is_no_ring_in_order() -> None:
    ring, _ = principal_ring(polygon(12)[np.arange(12) * 5 % 12])
    assert ring.resultant < 1e-6
    assert ring.order == 0
    assert ring.harmonic < 1e-6


def test_the_displayed_plane_is_the_ring_though_parity_has_more_variance() -> None:
    parity = 2.0 * (-1) ** np.arange(12)
    points = in_space(np.c_[polygon(12), parity])
    assert principal_ring(points)[0].order < 1
    view = view_of(points)
    ring = ring_in(points, view.axes, view.centre)
    assert ring.order == 1
    assert ring.resultant == pytest.approx(1)
    assert view.ring == pytest.approx(view.share) == pytest.approx(0.2)


def test_a_horseshoe_counts_as_a_line() -> None:
    bend = np.linspace(0, 1.2 * np.pi, 100)
    points = in_space(np.stack([np.cos(bend), np.sin(bend)], axis=1))
    assert coordinate_fit(points, NUMBERS) > 0.95
    shuffled = generator(0, "test").permutation(points)
    assert coordinate_fit(shuffled, NUMBERS) < 0.3


@pytest.fixture(scope="module")
def planted() -> tuple[sp.csr_matrix, NDArray[np.float32], NDArray[np.int64]]:
    """Firings of a ring of twelve words, of five lumps as large, and of a latent without a group.

    Each word's latents fire on it and, ever more weakly, on three neighbours either way.
    """
    rng = generator(0, "test", "planted")
    n_tokens = 20_000
    token_ids = rng.integers((N_GROUPS + 2) * N_WORDS, size=n_tokens)
    tuning = np.repeat(np.eye(N_WORDS), LATENTS_PER_WORD, axis=1)
    near = [(0.6, 1), (0.3, 2), (0.1, 3)]
    tuning = tuning + sum(
        size * (np.roll(tuning, step, axis=0) + np.roll(tuning, -step, axis=0))
        for size, step in near
    )
    n = tuning.shape[1]
    firings = np.zeros((n_tokens, N_GROUPS * n + 1), dtype=np.float32)
    for group in range(N_GROUPS):
        here = token_ids // N_WORDS == group
        noise = rng.uniform(0.9, 1.1, (here.sum(), n))
        firings[here, group * n : (group + 1) * n] = tuning[token_ids[here] % N_WORDS] * noise
    firings[rng.random(n_tokens) < 0.3, -1] = 1
    ring = np.repeat(in_space(polygon(N_WORDS)), LATENTS_PER_WORD, axis=0)
    lumps = 3 + 0.1 * rng.standard_normal(((N_GROUPS - 1) * n, D_MODEL))
    decoder = np.r_[ring, lumps, rng.standard_normal((1, D_MODEL))].astype(np.float32)
    return sp.csr_matrix(firings), decoder, token_ids


def test_groups_that_fire_together_are_found_without_labels(
    planted: tuple[sp.csr_matrix, NDArray[np.float32], NDArray[np.int64]],
) -> None:
    firings, _, _ = planted
    found = communities(firings, seed=0)
    n = N_WORDS * LATENTS_PER_WORD
    group = [{int(latent) // n for latent in latents} for latents in found]
    assert all(len(one) == 1 for one in group), "no community mixes two groups"
    assert not any(N_GROUPS in one for one in group), "what fires anywhere joins nobody"


def test_a_ragged_community_is_mended_by_its_core_tokens(
    planted: tuple[sp.csr_matrix, NDArray[np.float32], NDArray[np.int64]],
) -> None:
    firings, _, token_ids = planted
    n = N_WORDS * LATENTS_PER_WORD
    ragged = np.r_[np.arange(2, n), n + 5]  # two of the ring are missing, one of the lump is in
    by_type = activation_by_type(firings, token_ids)
    np.testing.assert_array_equal(refined(ragged, by_type, firings, token_ids), np.arange(n))


def test_each_group_is_ranked_once_though_resolutions_overlap(
    planted: tuple[sp.csr_matrix, NDArray[np.float32], NDArray[np.int64]],
) -> None:
    firings, decoder, token_ids = planted
    found = ranked_clusters(firings, decoder, token_ids, seed=0)
    n = N_WORDS * LATENTS_PER_WORD
    np.testing.assert_array_equal(found[0].cloud.latents, np.arange(n))
    members = np.concatenate([candidate.cloud.latents for candidate in found])
    assert len(np.unique(members)) > 0.5 * len(members)
    assert sum(len(np.intersect1d(c.cloud.latents, np.arange(n))) > n / 2 for c in found) == 1


def test_core_tokens_and_moments_are_those_of_the_plain_computation(
    planted: tuple[sp.csr_matrix, NDArray[np.float32], NDArray[np.int64]],
) -> None:
    firings, decoder, token_ids = planted
    latents = np.arange(N_WORDS * LATENTS_PER_WORD)
    cloud = cloud_of(latents, firings, decoder, token_ids)
    np.testing.assert_array_equal(cloud.core, np.arange(N_WORDS))
    points = firings[:, latents].toarray().astype(np.float64) @ decoder[latents]
    means = np.stack([points[token_ids == word].mean(0) for word in range(N_WORDS)])
    np.testing.assert_allclose(cloud.centroids, means, rtol=1e-5)
    here = token_ids < N_WORDS
    total = points[here].var(0).sum()
    between = means[token_ids[here]].var(0).sum()
    assert cloud.token_share == pytest.approx(between / total, rel=1e-3)
    assert cloud.core_mass == pytest.approx(1)


def test_a_ring_scores_above_a_lump(
    planted: tuple[sp.csr_matrix, NDArray[np.float32], NDArray[np.int64]],
) -> None:
    firings, decoder, token_ids = planted
    n = N_WORDS * LATENTS_PER_WORD
    scores = []
    for latents in (np.arange(n), np.arange(n, 2 * n)):
        cloud = cloud_of(latents, firings, decoder, token_ids)
        scores.append(score(cloud, view_of(cloud.centroids)))
    assert scores[0] > 2 * scores[1]
