"""Dimension, loops and type measures: answers that are known."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.spatial.distance import cdist

from feature_manifold.core.arrays import Float64Array
from feature_manifold.core.rng import generator
from feature_manifold.geometry.measures.dimension import (
    participation_ratio,
    two_nn,
    without_duplicates,
)
from feature_manifold.geometry.measures.loops import (
    landmarks,
    loops,
    regular_loop,
    unit_normalised,
)
from feature_manifold.geometry.measures.statistics import TYPE_STATISTICS, type_statistics
from feature_manifold.geometry.measures.token_types import (
    angular_regularity,
    loops_of_means,
    most_regular,
    token_entropy,
)


def polygon(n: int) -> Float64Array:
    turn = 2 * np.pi * np.arange(n) / n
    return np.column_stack([np.cos(turn), np.sin(turn)])


def in_space(points: Float64Array, width: int = 12) -> Float64Array:
    """Turn points into a wider space, off its origin."""
    axes = np.linalg.qr(generator(0, "test", "axes").standard_normal((width, points.shape[1])))[0]
    return points @ axes.T + 0.5


def sampled(name: str, n: int) -> Float64Array:
    rng = generator(1, "test", name)
    turn, other = 2 * np.pi * rng.random((2, n))
    if name == "circle":
        return np.column_stack([np.cos(turn), np.sin(turn)])
    if name == "disk":
        radius = np.sqrt(rng.random(n))
        return np.column_stack([radius * np.cos(turn), radius * np.sin(turn)])
    if name == "torus":
        return np.column_stack([np.cos(turn), np.sin(turn), np.cos(other), np.sin(other)])
    return rng.standard_normal((n, int(name)))


@pytest.mark.parametrize(
    ("name", "dimension"), [("circle", 1), ("disk", 2), ("torus", 2), ("1", 1), ("3", 3), ("5", 5)]
)
def test_two_nn_finds_the_dimension(name: str, dimension: int) -> None:
    found = two_nn(in_space(sampled(name, 2000)))
    assert found == pytest.approx(dimension, rel=0.1)


def test_two_nn_is_not_misled_by_duplicates_and_rays() -> None:
    disk = in_space(sampled("disk", 1000))
    assert two_nn(np.concatenate([disk, disk[:700], disk[:300]])) == pytest.approx(two_nn(disk))
    rays = np.abs(sampled("1", 1500)) * np.eye(6)[np.arange(1500) % 6]
    assert two_nn(rays) == pytest.approx(1, abs=0.1)


def test_two_nn_needs_ten_different_points() -> None:
    assert np.isnan(two_nn(np.ones((100, 3))))
    assert np.isnan(two_nn(sampled("disk", 9)))
    assert np.isnan(two_nn(np.empty((0, 3))))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(10, 60), r=st.integers(1, 6))
def test_two_nn_equals_the_fit_on_sorted_distances(seed: int, n: int, r: int) -> None:
    points = generator(seed, "test").standard_normal((n, r))
    nearest = np.sort(cdist(points, points), axis=1)[:, 1:3]
    ratios = np.sort(nearest[:, 1] / nearest[:, 0])
    kept = n - int(np.ceil(0.1 * n))
    x, y = np.log(ratios[:kept]), -np.log(1 - np.arange(1, kept + 1) / n)
    assert two_nn(points) == pytest.approx((x @ y) / (x @ x), rel=1e-6)


def test_duplicates_go_and_order_stays() -> None:
    points = np.array([[2.0, 1.0], [1.0, 2.0], [2.0, 1.0], [0.0, 0.0]])
    assert without_duplicates(points).tolist() == [[2, 1], [1, 2], [0, 0]]


def test_participation_ratio_counts_equal_variances() -> None:
    assert participation_ratio(np.array([2.0, 2.0, 2.0, 0.0])) == pytest.approx(3)
    assert participation_ratio(np.array([1.0, 1e-12, -1e-20])) == pytest.approx(1)
    assert np.isnan(participation_ratio(np.zeros(3)))


@pytest.mark.parametrize("n", [4, 5, 7, 12, 24, 64])
def test_a_regular_polygon_has_the_bar_of_the_formula_and_full_regularity(n: int) -> None:
    points = in_space(polygon(n))
    found = loops_of_means(points)
    assert found.longest == pytest.approx(regular_loop(n), abs=1e-5)
    assert found.second == 0
    assert found.ratio == 0
    assert found.death_over_birth > 1
    assert most_regular(points) == pytest.approx(1, abs=1e-6)


def test_a_circle_has_one_loop_a_torus_two_and_a_disk_none_that_lasts() -> None:
    def of(name: str) -> Float64Array:
        points = sampled(name, 3000)
        return points[landmarks(points, 120)]

    circle, torus, disk = (loops(of(name)) for name in ("circle", "torus", "disk"))
    assert circle.longest > 1.5
    assert circle.ratio < 0.05
    assert circle.birth < 0.2 < 1.7 < circle.death
    assert torus.longest > 0.8
    assert torus.ratio > 0.8
    assert disk.longest < 0.2


def test_few_points_have_no_loop() -> None:
    for points in (np.empty((0, 3)), np.zeros((2, 3)), np.zeros((9, 3)), polygon(3)):
        found = loops(points)
        assert (found.longest, found.second, found.death_over_birth) == (0, 0, 1)
        assert np.isnan(found.ratio)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(1, 40), count=st.integers(1, 50))
def test_landmarks_are_those_of_the_slow_rule(seed: int, n: int, count: int) -> None:
    points = generator(seed, "test").integers(0, 4, (n, 3)).astype(np.float64)
    taken = [int(((points - points.mean(0)) ** 2).sum(1).argmax())]
    while len(taken) < min(count, n):
        nearest = cdist(points, points[taken], "sqeuclidean").min(axis=1)
        if nearest.max() == 0:
            break
        taken.append(int(nearest.argmax()))
    assert landmarks(points, count).tolist() == taken


def test_unit_normalised_leaves_out_the_origin() -> None:
    found = unit_normalised(np.array([[3.0, 4.0], [0.0, 0.0]]))
    assert found.tolist() == [[0.6, 0.8]]


def test_regularity_tells_a_ring_from_chance_and_from_an_arc() -> None:
    rng = generator(0, "test", "regular")
    scattered = [angular_regularity(rng.standard_normal((200, 2))) for _ in range(100)]
    assert abs(np.mean(scattered)) < 0.05
    few = [angular_regularity(rng.standard_normal((7, 2))) for _ in range(200)]
    assert 0 < np.mean(few) < np.quantile(few, 0.95) < 0.75
    arc = polygon(40)[:12]
    assert angular_regularity(arc) < 0.1
    assert angular_regularity(polygon(7)) == pytest.approx(1)
    assert np.isnan(angular_regularity(polygon(7)[:2]))


def test_a_ring_in_a_plane_of_scatter_does_not_count() -> None:
    """A regular polygon in components with 2 % of the variance."""
    ring = polygon(12)
    flat = np.column_stack([np.ones(12), ring])
    spread = generator(0, "test", "scatter").standard_normal((12, 2))
    spread -= flat @ np.linalg.lstsq(flat, spread, rcond=None)[0]
    assert most_regular(np.column_stack([0.1 * spread, ring])) > 0.99
    assert most_regular(np.column_stack([8 * spread, ring])) < 0.9


@pytest.mark.parametrize("n", [4, 7, 24, 100])
def test_a_ring_of_types_is_measured_in_polygons(n: int) -> None:
    found = dict(zip(TYPE_STATISTICS, type_statistics(in_space(3 * polygon(n))), strict=True))
    # Of a hundred types, 64 are landmarks, and not quite evenly spaced.
    assert found["type_loop"] == pytest.approx(1, abs=1e-5 if n <= 64 else 0.07)
    assert found["type_participation_ratio"] == pytest.approx(2)


def test_entropy_counts_types_alike() -> None:
    assert token_entropy(np.array([5, 5, 5, 5])) == 2
    assert token_entropy(np.array([9, 0])) == 0
    assert np.isnan(token_entropy(np.array([], dtype=int)))
