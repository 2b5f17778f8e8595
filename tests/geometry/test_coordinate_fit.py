"""The fitted coordinate is the planted one, and its conventions hold."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.spatial.distance import cdist
from scipy.stats import spearmanr
from tests.geometry.planted_clusters import PlantedClusters, planted_clusters

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import InputError
from feature_manifold.geometry.cloud import Cloud
from feature_manifold.geometry.coordinate import (
    Coordinate,
    fit_coordinate,
    largest_gaps,
    ordered_types,
)
from feature_manifold.geometry.coordinate.choice import log_gain
from feature_manifold.geometry.coordinate.curve import fit_curve
from feature_manifold.geometry.coordinate.order import chance_of_gap
from feature_manifold.geometry.coordinate.spline import smooth

CIRCLES = ("circle7-0", "circle12-0", "circle24-0")


@pytest.fixture(scope="module", params=[0, 1])
def planted(request: pytest.FixtureRequest) -> PlantedClusters:
    return planted_clusters(request.param)


def fitted(planted: PlantedClusters, name: str) -> tuple[Coordinate, Array]:
    """Return a thing's coordinate and the true place of each core type."""
    thing, words = planted.thing(name)
    cloud, ids, core = planted.cluster(planted.latents(name))
    coordinate = fit_coordinate(cloud, ids, core_types=core, seed=0)
    assert np.isin(coordinate.types, words).all()
    return coordinate, thing.coordinates[coordinate.types - words[0]]


def agreement(angles: Array, truth: Array) -> float:
    """Return |mean exp(i (a -+ b))|: 1 if angles agree up to a turn and a reflection."""
    return max(abs(np.exp(1j * (angles - sign * truth)).mean()) for sign in (1, -1))


@pytest.mark.parametrize("name", CIRCLES)
def test_the_angles_on_a_circle_are_the_planted_ones(planted: PlantedClusters, name: str) -> None:
    coordinate, truth = fitted(planted, name)
    assert coordinate.kind == "circle"
    angles = coordinate.type_values[:, 0]
    assert agreement(angles, 2 * np.pi * truth[:, 0]) > 0.98
    order = np.argsort(np.argsort(truth[:, 0]))[np.argsort(angles)]
    steps = np.diff(order, append=order[0]) % len(order)
    assert np.isin(steps, (1, len(order) - 1)).all()
    assert coordinate.explained > 0.95


def test_the_arc_lengths_on_a_horseshoe_are_the_planted_ones(planted: PlantedClusters) -> None:
    coordinate, truth = fitted(planted, "line100-0")
    assert coordinate.kind == "curve"
    assert abs(spearmanr(coordinate.type_values[:, 0], truth[:, 0])[0]) > 0.99
    assert abs(np.corrcoef(coordinate.type_values[:, 0], truth[:, 0])[0, 1]) > 0.98


def test_a_sheet_has_the_planted_map(planted: PlantedClusters) -> None:
    coordinate, truth = fitted(planted, "grid-0")
    assert (coordinate.kind, coordinate.periodic) == ("surface", (False, False))
    design = np.column_stack([np.ones(len(truth)), coordinate.type_values])
    residual = truth - design @ np.linalg.lstsq(design, truth, rcond=None)[0]
    assert 1 - (residual**2).sum() / ((truth - truth.mean(0)) ** 2).sum() > 0.97


def test_a_torus_has_the_two_planted_angles(planted: PlantedClusters) -> None:
    coordinate, truth = fitted(planted, "torus-0")
    assert (coordinate.kind, coordinate.periodic) == ("surface", (True, True))
    agree = np.array(
        [
            [agreement(coordinate.type_values[:, i], 2 * np.pi * truth[:, j]) for j in (0, 1)]
            for i in (0, 1)
        ]
    )
    assert max(agree[[0, 1], [0, 1]].min(), agree[[0, 1], [1, 0]].min()) > 0.98


def test_things_without_order_gain_nothing_by_a_circle(planted: PlantedClusters) -> None:
    circle = fitted(planted, "circle7-0")[0].gains["circle"]
    decoy = fitted(planted, "onehot-0")[0].gains["circle"]
    assert circle > 1 + max(decoy, 0)


def cloud_of(points: Array, d_model: int = 16) -> Cloud:
    """Return a cloud whose members are the axes: its points are the activations."""
    n, k = points.shape
    return Cloud(
        np.arange(k),
        np.arange(n, dtype=np.uint32),
        sp.csr_matrix(points.astype(np.float32)),
        np.eye(k),
        np.eye(k, d_model),
    )


def on_a_circle(angles: Array, noise: float, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    plane = np.column_stack([3 + np.cos(angles), 3 + 0.8 * np.sin(angles), np.ones(len(angles))])
    return plane + noise * rng.standard_normal(plane.shape)


def test_tokens_are_placed_like_their_types() -> None:
    words = np.repeat(np.arange(12), 40)
    true = 2 * np.pi * words / 12
    cloud = cloud_of(on_a_circle(true, 0.05, seed=1))
    coordinate = fit_coordinate(cloud, words, core_types=np.arange(12), seed=0)
    assert agreement(coordinate.values[:, 0], true) > 0.99
    assert np.array_equal(coordinate.types[coordinate.type_index], words)
    # The fit is an ellipse of half axes 1 and 0.8, in a plane about which points scatter by 0.05.
    assert coordinate.distance.max() < 0.3
    assert np.all((coordinate.values >= 0) & (coordinate.values < 2 * np.pi))
    far = cloud_of(np.vstack([cloud.points(), [[3, 3, 6.0]]]))
    placed = fit_coordinate(far, np.append(words, 99), core_types=np.arange(12), seed=0)
    assert placed.type_index[-1] == -1
    assert placed.distance[-1] == pytest.approx(np.hypot(5, 0.9), abs=0.15)


def test_a_stray_type_takes_no_axis_and_bends_no_circle() -> None:
    words = np.repeat(np.arange(13), 40)
    points = on_a_circle(2 * np.pi * words / 12, 0.05, seed=2)
    points[words == 12] = [3.2, 2.9, 1]
    coordinate = fit_coordinate(cloud_of(points), words, core_types=np.arange(13), seed=0)
    assert coordinate.kind == "circle"
    assert agreement(coordinate.type_values[:12, 0], 2 * np.pi * np.arange(12) / 12) > 0.99


@pytest.mark.parametrize("turns", [0.4, 0.75, 1.6])
def test_open_curves_are_told_from_circles(turns: float) -> None:
    words = np.repeat(np.arange(40), 20)
    angle = 2 * np.pi * turns * words / 39
    radius = 1 + words / 20
    rng = np.random.default_rng(3)
    points = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]) + 5
    cloud = cloud_of(points + 0.03 * rng.standard_normal(points.shape))
    coordinate = fit_coordinate(cloud, words, core_types=np.arange(40), seed=0)
    assert coordinate.kind == "curve"
    assert abs(spearmanr(coordinate.type_values[:, 0], np.arange(40))[0]) > 0.99
    steps = np.linalg.norm(np.diff(points[::20], axis=0), axis=1).sum()
    assert np.diff(coordinate.extent[0])[0] == pytest.approx(steps, rel=0.03)


def test_a_blob_is_neither_circle_nor_curve() -> None:
    rng = np.random.default_rng(4)
    kinds = []
    for _ in range(10):
        cloud = cloud_of(5 + rng.standard_normal((30, 2)))
        kinds.append(fit_coordinate(cloud, np.arange(30), core_types=range(30), seed=0).kind)
    assert kinds.count("surface") >= 9


def test_a_line_in_noise_is_a_curve_whatever_the_number_of_words() -> None:
    rng = np.random.default_rng(14)
    for m in (5, 7, 12, 40):
        points = 10 + 0.1 * rng.standard_normal((m, 5))
        points[:, 0] += np.linspace(0, 5, m)
        coordinate = fit_coordinate(cloud_of(points), np.arange(m), core_types=range(m), seed=0)
        assert coordinate.kind == "curve"
        assert abs(spearmanr(coordinate.type_values[:, 0], np.arange(m))[0]) > 0.95


def test_a_circle_is_found_behind_an_axis_of_intensity() -> None:
    """As Engels et al. (2024) saw it: days and months lie in the second and third components."""
    rng = np.random.default_rng(15)
    angle = 2 * np.pi * np.arange(40) / 40
    ring = np.column_stack([np.cos(angle), np.sin(angle)]) + 0.05 * rng.standard_normal((40, 2))
    points = 10 + np.column_stack([1.5 * rng.standard_normal(40), ring])
    coordinate = fit_coordinate(cloud_of(points), np.arange(40), core_types=range(40), seed=0)
    assert coordinate.kind == "circle"
    assert agreement(coordinate.type_values[:, 0], angle) > 0.98


def test_the_same_cluster_gives_the_same_bytes_whatever_the_signs_of_its_axes() -> None:
    words = np.repeat(np.arange(12), 30)
    cloud = cloud_of(on_a_circle(2 * np.pi * words / 12, 0.05, seed=5))
    turn = np.linalg.qr(np.random.default_rng(6).standard_normal((3, 3)))[0]
    other = Cloud(
        cloud.latents,
        cloud.tokens,
        cloud.activations,
        cloud.coordinates @ turn,
        turn.T @ cloud.basis,
    )
    first, again, turned = (
        fit_coordinate(one, words, core_types=words, seed=0) for one in (cloud, cloud, other)
    )
    assert np.array_equal(first.values, again.values)
    assert np.array_equal(first.distance, again.distance)
    assert np.abs(first.apart(first.values, turned.values)).max() < 1e-6


@pytest.mark.parametrize("name", [*CIRCLES, "line100-0", "grid-0"])
def test_a_neighbouring_cluster_has_nearly_the_same_coordinate(
    planted: PlantedClusters, name: str
) -> None:
    before, _ = fitted(planted, name)
    stranger = planted.others()[:1]
    cloud, ids, core = planted.cluster(np.append(planted.latents(name), stranger))
    after = fit_coordinate(cloud, ids, core_types=core, seed=0)
    assert np.array_equal(before.types, after.types)
    change = np.abs(before.apart(before.type_values, after.type_values))
    assert change.max() < 0.05 * np.diff(before.extent).max()


def test_a_loop_starts_and_turns_the_same_way_whichever_way_it_was_followed() -> None:
    rng = np.random.default_rng(16)
    turns = np.arange(30) / 30
    angle = 2 * np.pi * turns
    radius = 1 + 0.3 * np.cos(3 * angle)
    points = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    compass = rng.standard_normal((2, 2))
    ways = [
        fit_curve(points, start, compass, closed=True).locate(points)[0]
        for start in (turns, (0.3 - turns) % 1)
    ]
    assert np.abs(np.angle(np.exp(1j * (ways[0] - ways[1])))).max() < 0.05
    mirrored = fit_curve(points, turns, compass * [[1], [-1]], closed=True).locate(points)[0]
    assert np.abs(np.angle(np.exp(1j * (ways[0] + mirrored)))).max() < 0.05


def test_without_core_types_the_frequent_and_strong_ones_of_the_cloud_are_taken(
    planted: PlantedClusters,
) -> None:
    cloud, ids, core = planted.cluster(planted.latents("circle12-0"))
    coordinate = fit_coordinate(cloud, ids, seed=0)
    assert np.array_equal(coordinate.types, core)
    with pytest.raises(InputError, match="there are 0"):
        fit_coordinate(cloud, np.where(np.arange(len(ids)) < 5, ids, -1), seed=0)
    words = np.repeat(np.arange(8), 20)
    points = on_a_circle(2 * np.pi * words / 7, 0.05, seed=17)
    points[words == 7] = [0.3, 0, 0.1]
    assert np.array_equal(fit_coordinate(cloud_of(points), words, seed=0).types, np.arange(7))


def test_the_kind_can_be_asked_for() -> None:
    words = np.repeat(np.arange(12), 30)
    cloud = cloud_of(on_a_circle(2 * np.pi * words / 12, 0.05, seed=7))
    for kind in ("circle", "curve", "surface"):
        assert fit_coordinate(cloud, words, core_types=words, kind=kind, seed=0).kind == kind


def test_what_cannot_be_fitted_is_refused_with_a_remedy() -> None:
    words = np.repeat(np.arange(4), 30)
    cloud = cloud_of(on_a_circle(2 * np.pi * words / 4, 0.05, seed=8))
    with pytest.raises(InputError, match="not one of circle, curve, surface"):
        fit_coordinate(cloud, words, kind="ring", seed=0)
    with pytest.raises(InputError, match="3 core token types at least, and there are 2"):
        fit_coordinate(cloud, words, core_types=[0, 1], seed=0)
    with pytest.raises(InputError, match="token ids"):
        fit_coordinate(cloud, words[:-1], seed=0)
    line = cloud_of(np.outer(1 + np.arange(5.0), [1, 1, 0]))
    with pytest.raises(InputError, match="No circle fits 5 core token types on 1 axes"):
        fit_coordinate(line, np.arange(5), core_types=np.arange(5), kind="circle", seed=0)
    same = cloud_of(np.tile([1.0, 2.0, 0.0], (5, 1)))
    with pytest.raises(InputError, match="all in one place"):
        fit_coordinate(same, np.arange(5), core_types=np.arange(5), seed=0)


def test_types_on_a_line_through_the_cloud_are_a_straight_curve() -> None:
    cloud = cloud_of(np.outer(1 + np.arange(5.0), [1, 1, 0]))
    coordinate = fit_coordinate(cloud, np.arange(5), core_types=np.arange(5), seed=0)
    steps = np.abs(np.diff(coordinate.type_values[:, 0]))
    assert steps == pytest.approx(np.sqrt(2), rel=1e-3)
    assert coordinate.explained == pytest.approx(1, abs=1e-4)


def test_more_types_than_are_fitted_are_all_placed() -> None:
    words = np.arange(600)
    true = 2 * np.pi * words / 600
    cloud = cloud_of(on_a_circle(true, 0.02, seed=9))
    coordinate = fit_coordinate(cloud, words, core_types=words, seed=0)
    assert coordinate.kind == "circle"
    assert agreement(coordinate.type_values[:, 0], true) > 0.99


def test_types_are_ordered_and_a_missing_stretch_is_a_gap() -> None:
    words = np.repeat(np.delete(np.arange(36), np.arange(10, 18)), 20)
    cloud = cloud_of(on_a_circle(2 * np.pi * words / 36, 0.01, seed=10))
    coordinate = fit_coordinate(cloud, words, core_types=words, kind="circle", seed=0)
    order = ordered_types(coordinate)
    place = np.searchsorted(np.unique(words), order)
    assert set(np.diff(place, append=place[0]) % 28) in ({1}, {27})
    gap, next_gap, _ = largest_gaps(coordinate)
    assert {gap.before, gap.after} == {9, 18}
    assert gap.size == pytest.approx(2 * np.pi * 9 / 36, abs=0.1)
    assert gap.p < 0.05 < next_gap.p
    flat = fit_coordinate(cloud, words, core_types=words, kind="surface", seed=0)
    with pytest.raises(InputError, match="no order"):
        ordered_types(flat)


@pytest.mark.parametrize("n", [2, 5, 30, 200])
def test_the_chance_of_a_gap_is_that_of_random_places(n: int) -> None:
    rng = np.random.default_rng(n)
    cuts = np.sort(rng.random((20_000, n - 1)), axis=1)
    gaps = np.diff(np.pad(cuts, ((0, 0), (1, 1)), constant_values=(0, 1)), axis=1)
    largest = gaps.max(axis=1)
    for share in np.quantile(largest, [0.01, 0.3, 0.5, 0.9, 0.99]):
        found = chance_of_gap(float(share), n)
        assert found == pytest.approx((largest >= share).mean(), abs=0.015)
    assert chance_of_gap(1.0, n) == 0
    assert chance_of_gap(1e-9, n) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("closed", [False, True])
def test_held_out_distances_are_those_of_refitting_without_the_point(closed: bool) -> None:
    rng = np.random.default_rng(11)
    place = np.sort(rng.random(20))
    points = np.column_stack([np.cos(2 * np.pi * place), place]) + 0.1 * rng.random((20, 2))
    weight = rng.random(20) + 0.5
    spline, held_out = smooth(points, place, weight, closed=closed)
    assert held_out.shape == (20,)
    at = spline(place)
    # The stiffness is chosen anew without the point; close to the same, it must nearly agree.
    for left_out in (3, 9, 15):
        rest = np.arange(20) != left_out
        again, _ = smooth(points[rest], place[rest], weight[rest], closed=closed)
        off = np.linalg.norm(points[left_out] - again(place[left_out]))
        assert held_out[left_out] == pytest.approx(off, rel=0.6, abs=0.05)
        assert held_out[left_out] > np.linalg.norm(points[left_out] - at[left_out])


def test_the_gain_is_the_likelihood_of_a_thin_ring_over_a_box() -> None:
    rng = np.random.default_rng(12)
    off = 0.1 * rng.standard_normal(20_000)
    spreads = np.full(2, np.sqrt(0.5))
    box = np.log(12 * 0.5)
    ring = -np.log(2 * np.pi) - 0.5 * np.log(2 * np.pi * np.e * 0.01)
    assert log_gain(np.abs(off), 2 * np.pi, spreads, n_dims=1) == pytest.approx(
        ring + box, abs=0.02
    )
    assert log_gain(np.zeros(5), 6.0, spreads, n_dims=2) == pytest.approx(0, abs=1e-9)


def test_the_nearest_point_of_a_curve_is_found_among_all() -> None:
    words = np.repeat(np.arange(30), 10)
    angle = 4.5 * words / 29
    points = np.column_stack([np.cos(angle), np.sin(angle), 0.3 * angle]) * 3 + 5
    cloud = cloud_of(points + np.random.default_rng(13).normal(0, 0.2, points.shape))
    coordinate = fit_coordinate(cloud, words, core_types=words, kind="curve", seed=0)
    curve, seen = coordinate.shape, coordinate.frame.project(cloud.points())
    fine = np.concatenate(
        [
            np.linspace(start, stop, 20)
            for start, stop in zip(curve.vertices[:-1], curve.vertices[1:], strict=True)
        ]
    )
    nearest = cdist(seen, fine).min(axis=1)
    _, at = curve.locate(seen)
    assert np.linalg.norm(seen - at, axis=1) == pytest.approx(nearest, abs=2e-3)
