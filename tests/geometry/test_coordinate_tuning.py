"""Tuning curves along a fitted coordinate, and what the members make of it together."""

import numpy as np
import pytest
import scipy.sparse as sp
from tests.geometry.planted_clusters import PlantedClusters, planted_clusters

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import InputError
from feature_manifold.core.rng import generator
from feature_manifold.geometry.cloud import Cloud
from feature_manifold.geometry.coordinate import (
    COORDINATE_MEASURES,
    VERDICTS,
    Coordinate,
    Tiling,
    TuningCurves,
    fit_coordinate,
    measure_coordinate,
    measure_tiling,
    tuning_curves,
)
from feature_manifold.geometry.coordinate.dealing import (
    dealt_firings,
    dealt_slots,
    locality,
    resampled,
)


@pytest.fixture(scope="module")
def planted() -> PlantedClusters:
    return planted_clusters(0)


def tuned(planted: PlantedClusters, name: str) -> tuple[Cloud, Coordinate, TuningCurves]:
    cloud, ids, core = planted.cluster(planted.latents(name))
    coordinate = fit_coordinate(cloud, ids, core_types=core, seed=0)
    return cloud, coordinate, tuning_curves(cloud, coordinate)


def cluster_of(activations: Array, directions: Array, words: Array) -> tuple[Cloud, Coordinate]:
    """Return the cloud of dense activations (n, k) with decoder rows (k, d), and its circle."""
    fires = activations.any(axis=1)
    basis, upper = np.linalg.qr(directions.T)
    cloud = Cloud(
        np.arange(len(directions)),
        np.flatnonzero(fires).astype(np.uint32),
        sp.csr_matrix(activations[fires].astype(np.float32)),
        np.ascontiguousarray(upper.T),
        basis.T,
    )
    return cloud, fit_coordinate(cloud, words[fires], core_types=words, seed=0)


def ring_of(n_members: int, reach: float, *, n_words: int = 24) -> tuple[Cloud, Coordinate]:
    """Return members tuned to places round a circle, silent further than ``reach`` away."""
    rng = np.random.default_rng(0)
    words = np.repeat(np.arange(n_words), 50)
    places = 2 * np.pi * np.arange(n_members) / n_members
    away = np.abs((2 * np.pi * words[:, None] / n_words - places + np.pi) % (2 * np.pi) - np.pi)
    level = np.where(away < reach, np.cos(away * np.pi / 2 / reach), 0)
    level *= np.exp(0.1 * rng.standard_normal(level.shape))
    directions = np.column_stack([np.cos(places), np.sin(places), np.full(n_members, 0.4)])
    return cluster_of(level, np.pad(directions, ((0, 0), (0, 61))), words)


def tiling_of(cloud: Cloud, coordinate: Coordinate) -> Tiling:
    return measure_tiling(cloud, coordinate, tuning_curves(cloud, coordinate), seed=0)


@pytest.mark.parametrize("name", ["circle12-0", "line100-0", "grid-0"])
def test_curves_are_those_of_going_through_the_tokens(planted: PlantedClusters, name: str) -> None:
    cloud, coordinate, curves = tuned(planted, name)
    dense = cloud.activations.toarray()
    core = coordinate.type_index >= 0
    assert curves.counts.sum() == core.sum()
    low = np.array([edge[0] for edge in curves.edges])
    step = np.array([edge[1] - edge[0] for edge in curves.edges])
    bins = np.floor((coordinate.type_values - low) / step).astype(int)
    bins = np.clip(bins, 0, [len(edge) - 2 for edge in curves.edges])
    of_type = np.ravel_multi_index(tuple(bins.T), [len(edge) - 1 for edge in curves.edges])
    for place in range(len(curves.counts)):
        here = dense[core & (of_type[coordinate.type_index] == place)]
        assert curves.counts[place] == len(here)
        if len(here) < 5:
            assert np.isnan(curves.mean[:, place]).all()
        else:
            assert curves.mean[:, place] == pytest.approx(here.mean(axis=0), rel=1e-5)
            assert curves.firing[:, place] == pytest.approx((here > 0).mean(axis=0))


@pytest.mark.parametrize("name", ["circle7-0", "circle12-0", "circle24-0"])
def test_members_peak_where_they_were_planted(planted: PlantedClusters, name: str) -> None:
    _, coordinate, curves = tuned(planted, name)
    thing, words = planted.thing(name)
    true = 2 * np.pi * thing.coordinates[coordinate.types - words[0], 0]
    apart = coordinate.type_values[:, 0]
    sign = max((1, -1), key=lambda sign: abs(np.exp(1j * (apart - sign * true)).mean()))
    turn = np.angle(np.exp(1j * (apart - sign * true)).mean())
    for latent, role in zip(planted.latents(name), thing.roles, strict=True):
        at = int(np.searchsorted(curves.latents, latent))
        assert curves.is_hub[at] == (role.role == "hub")
        if role.role == "spoke":
            off = curves.peak[at, 0] - sign * 2 * np.pi * role.coordinate[0] - turn
            # Spokes of the circle of twelve lie between words, 30 degrees apart; one has lost half
            # of a word to another latent.
            assert abs(np.angle(np.exp(1j * off))) < np.radians(15)
            assert curves.width[at] < 0.45
            assert curves.peak_to_mean[at] > 2


def test_planted_manifolds_are_tilings_and_hubs_are_left_out(planted: PlantedClusters) -> None:
    for name in ("circle7-0", "circle12-0", "circle24-0", "line100-0", "grid-0", "torus-0"):
        cloud, coordinate, curves = tuned(planted, name)
        found = measure_tiling(cloud, coordinate, curves, seed=0)
        assert found.verdict == "tiling"
        assert found.n_hubs == 1
        assert found.tiling.low <= found.tiling.value <= found.tiling.high
        assert found.tiling.nulls["shuffle"].p == pytest.approx(1 / 200)
        assert found.tiling.nulls["types"].p < 0.05
        assert found.coverage > 0.95
        assert 1.9 < found.active < 4.5
    assert np.nanmedian(tuned(planted, "line100-0")[2].answering) in (2, 3)


def test_latents_of_one_word_each_are_no_tiling(planted: PlantedClusters) -> None:
    cloud, coordinate, curves = tuned(planted, "onehot-0")
    found = measure_tiling(cloud, coordinate, curves, seed=0)
    assert found.overlap < 0.2
    assert found.verdict == "dilution"


def test_four_half_axes_span_a_circle() -> None:
    found = tiling_of(*ring_of(4, np.pi / 2))
    assert found.verdict == "global"
    assert found.tiling.value < 0.5


def test_twelve_narrow_members_tile_it_and_twelve_broad_ones_dilute_it() -> None:
    narrow, broad = (tiling_of(*ring_of(12, reach)) for reach in (0.8, 2.2))
    assert narrow.verdict == "tiling"
    assert narrow.tiling.value > 0.6
    assert broad.verdict == "dilution"
    assert broad.tiling.value < 0.33


def test_members_that_fire_at_random_are_tuned_to_nothing() -> None:
    """They are louder where they point, and so the points do make a circle."""
    rng = np.random.default_rng(1)
    words = np.repeat(np.arange(12), 60)
    places = 2 * np.pi * np.arange(12) / 12
    near = np.cos(2 * np.pi * words[:, None] / 12 - places)
    level = (rng.random((720, 12)) < 0.3) * (1 + 0.5 * near)
    directions = np.column_stack([np.cos(places), np.sin(places), np.full(12, 0.4)])
    found = tiling_of(*cluster_of(level, np.pad(directions, ((0, 0), (0, 61))), words))
    assert found.tiling.value < found.tiling.nulls["shuffle"].high
    assert found.tiling.nulls["shuffle"].p > 0.05
    assert found.verdict == "dilution"


def test_choosy_members_without_order_are_no_tiling() -> None:
    """Every member picks five words out of twenty, at random: narrow, but not on a stretch."""
    rng = np.random.default_rng(2)
    ps = []
    for _ in range(5):
        words = np.repeat(np.arange(20), 20)
        picks = np.stack([rng.permutation(20) < 5 for _ in range(14)], axis=1)
        found = tiling_of(*cluster_of(picks[words] * 1.0, np.eye(14), words))
        ps.append(found.tiling.nulls["types"].p)
        assert found.tiling.nulls["shuffle"].p < 0.01
    assert np.mean(np.array(ps) < 0.1) <= 0.34
    assert np.median(ps) > 0.15


@pytest.mark.parametrize(("n_members", "n_types"), [(6, 12), (8, 40)])
def test_chance_of_tunings_without_order_is_as_stated(n_members: int, n_types: int) -> None:
    """Words count as core where members answer strongly enough, as they do in discovery."""
    ps = []
    for seed in range(24):
        rng = np.random.default_rng(seed)
        picks = rng.permuted(np.tile(np.arange(2 * n_types), (n_members, 1)), axis=1)
        level = (picks < 0.4 * n_types).T * rng.uniform(0.5, 1.5, (2 * n_types, n_members))
        mass = level.sum(axis=1)
        level = level[mass > 0.4 * (mass**2).sum() / mass.sum()][:n_types]
        words = np.repeat(np.arange(len(level)), 20)
        fires = rng.random((len(words), n_members)) < 0.9
        rows = rng.standard_normal((n_members, 64))
        cloud, coordinate = cluster_of(level[words] * fires, rows, words)
        curves = tuning_curves(cloud, coordinate)
        found = measure_tiling(cloud, coordinate, curves, seed=0, rounds=39, resamples=2)
        ps.append(found.tiling.nulls["types"].p)
    assert np.mean(np.array(ps) <= 0.05) <= 4 / 24
    assert np.median(ps) > 0.2


def test_dealt_tunings_keep_their_values_and_all_types_core() -> None:
    rng = np.random.default_rng(0)
    means = (rng.random((8, 20)) < 0.3) * rng.uniform(0.5, 1.5, (8, 20))
    means = means[:, means.any(axis=0)]
    slots = dealt_slots(means, 50, generator(0, "test"))
    dealt = np.take_along_axis(means[None], slots, axis=2)
    assert np.array_equal(
        np.sort(slots, axis=2), np.broadcast_to(np.arange(means.shape[1]), slots.shape)
    )
    assert ((dealt > 0).sum(axis=1) == (means > 0).sum(axis=0)).all()
    assert (dealt.sum(axis=1) >= means.sum(axis=0).min() * (1 - 1e-6)).all()
    assert (dealt[0] != dealt[1:]).any(axis=(1, 2)).all()
    moved = (dealt > 0).mean(axis=0)
    assert 0.02 < moved[means > 0].mean() < 0.9


def test_the_null_is_that_of_dealing_firings_to_tokens() -> None:
    rng = np.random.default_rng(2)
    place = rng.integers(0, 6, 200)
    counts = np.bincount(place, minlength=6)
    fires = np.array([5, 40, 120])
    apart = np.abs(np.subtract.outer(np.arange(6), np.arange(6))).astype(float)
    slow = []
    for _ in range(1000):
        drawn = np.stack([np.bincount(place[rng.permutation(200)[:n]], minlength=6) for n in fires])
        slow.append(float(locality(drawn / counts, apart, n_axes=1)))
    at_one_place = np.column_stack([fires, *[np.zeros(3, dtype=np.int64)] * 5])
    drawn = dealt_firings(at_one_place, counts, 1000, generator(0, "test"))
    assert (drawn.sum(axis=2) == fires).all()
    assert (drawn <= counts).all()
    fast = locality(drawn / counts, apart, n_axes=1)
    assert np.quantile(fast, [0.1, 0.5, 0.9]) == pytest.approx(
        np.quantile(slow, [0.1, 0.5, 0.9]), abs=0.01
    )


def test_locality_is_one_less_the_share_of_a_line_on_which_members_fire() -> None:
    place = (np.arange(200) + 0.5) / 200
    line = np.abs(np.subtract.outer(place, place))
    circle = np.minimum(line, 1 - line)
    for share in (0.1, 0.25, 0.5):
        on = (place < share)[None] * 0.7
        assert locality(on, line, n_axes=1) == pytest.approx(1 - share, abs=0.01)
        assert locality(on, circle, n_axes=1) == pytest.approx(1 - 4 * share / 3, abs=0.01)
    flat = np.full((1, 200), 0.5)
    assert locality(flat, line, n_axes=1) == pytest.approx(0, abs=1e-9)
    both = np.concatenate([flat, (place < 0.5)[None] * 1.0, np.zeros((1, 200))])
    assert locality(both, line, n_axes=1) == pytest.approx(0.25, abs=0.01)
    square = np.stack(np.meshgrid(place[::10], place[::10]), axis=-1).reshape(-1, 2)
    apart = np.linalg.norm(square[:, None] - square, axis=2)
    patch = (square < 0.5).all(axis=1)[None] * 1.0
    assert locality(patch, apart, n_axes=2) == pytest.approx(0.75, abs=0.02)


def test_members_that_meet_nowhere_are_no_tiling() -> None:
    """Six members have four neighbouring words each, for themselves alone."""
    words = np.repeat(np.arange(24), 30)
    places = 2 * np.pi * (np.arange(6) + 0.5) / 6
    level = (words[:, None] // 4 == np.arange(6)) * (1 + 0.2 * (words[:, None] % 4))
    directions = np.column_stack([np.cos(places), np.sin(places)])
    found = tiling_of(*cluster_of(level, np.pad(directions, ((0, 0), (0, 6))), words))
    assert found.tiling.value > 0.7
    assert found.tiling.nulls["types"].p == 1
    assert found.overlap == 0
    assert found.verdict == "dilution"


def test_resampled_stretches_have_the_firing_of_all_on_average(planted: PlantedClusters) -> None:
    cloud, _, curves = tuned(planted, "circle7-0")
    samples = np.stack(list(resampled(cloud, curves, 200, generator(0, "test"))))
    known = curves.is_known
    assert (samples[:, :, known] <= 1).all()
    assert samples.mean(axis=0)[:, known] == pytest.approx(curves.firing[:, known], abs=0.03)
    assert samples.std(axis=0)[:, known].max() > 0.01
    hub = np.flatnonzero(curves.is_hub)[0]
    assert samples[:, hub][:, known].min() > 0.8


def test_the_interval_covers_the_tiling_of_more_of_the_corpus() -> None:
    rng = np.random.default_rng(3)
    places = 2 * np.pi * np.arange(8) / 8
    directions = np.pad(np.column_stack([np.cos(places), np.sin(places)]), ((0, 0), (0, 6)))

    def sample(n: int) -> Tiling:
        words = rng.integers(0, 16, n)
        near = np.cos(2 * np.pi * words[:, None] / 16 - places)
        level = (rng.random((n, 8)) < 0.5 * np.clip(near, 0, 1)) * (1 + near)
        return tiling_of(*cluster_of(level, directions, words))

    truth = sample(20_000).tiling.value
    inside = [
        found.low <= truth <= found.high for found in (sample(1500).tiling for _ in range(10))
    ]
    assert sum(inside) >= 7


def test_what_a_table_shows_of_a_coordinate(planted: PlantedClusters) -> None:
    cloud, ids, core = planted.cluster(planted.latents("circle12-0"))
    found = measure_coordinate(cloud, ids, core_types=core, seed=0)
    assert tuple(found) == COORDINATE_MEASURES
    assert found["shape_kind"].value == 0
    assert VERDICTS[int(found["tiling_verdict"].value)] == "tiling"
    again = measure_coordinate(cloud, ids, core_types=core, seed=0)
    assert found["tiling"].low == again["tiling"].low
    nothing = measure_coordinate(cloud, ids, core_types=core[:2], seed=0)
    assert all(np.isnan(measured.value) for measured in nothing.values())


def test_curves_of_another_cloud_or_of_one_place_are_refused(planted: PlantedClusters) -> None:
    cloud, coordinate, _ = tuned(planted, "circle7-0")
    other = planted.cluster(planted.latents("circle12-0"))[0]
    with pytest.raises(InputError, match="another cloud"):
        tuning_curves(other, coordinate)
    with pytest.raises(InputError, match="2 are needed"):
        tuning_curves(cloud, coordinate, n_places=1)
