"""Nulls destroy one thing and keep the rest; p-values are honest; intervals cover; corrections."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings, strategies as st
from scipy.stats import binom

from feature_manifold.core.arrays import Float64Array
from feature_manifold.core.errors import InputError
from feature_manifold.core.rng import generator
from feature_manifold.geometry.cloud import Cloud
from feature_manifold.geometry.measures import (
    MEASURES,
    Effort,
    Measured,
    corrected,
    max_statistic,
    measure_cloud,
)
from feature_manifold.geometry.measures.nulls import (
    matched_gaussian,
    shuffled,
    shuffled_types,
)
from feature_manifold.geometry.measures.planes import principal_of
from feature_manifold.geometry.measures.resampling import interval, scale_to_all
from feature_manifold.geometry.measures.results import null_of

LITTLE = Effort(
    rounds=9,
    resamples=2,
    points=256,
    neighbours=256,
    parts=1,
    landmarks=24,
    pool=256,
    drawn_landmarks=24,
    ascended=16,
    angles=13,
    directions=20,
)


def cloud_of(active: Float64Array, decoder: Float64Array) -> Cloud:
    """A cloud of the rows of ``active`` (n, k) that have a firing."""
    active = active[active.any(axis=1)]
    basis, upper = np.linalg.qr(decoder.T)
    return Cloud(
        latents=np.arange(len(decoder)),
        tokens=np.arange(len(active), dtype=np.uint32),
        activations=sp.csr_matrix(active.astype(np.float32)),
        coordinates=np.ascontiguousarray(upper.T),
        basis=np.ascontiguousarray(basis.T),
    )


def independent(n: int, k: int, rate: float, rng: np.random.Generator) -> Float64Array:
    """Firings of latents that know nothing of one another."""
    return np.where(rng.random((n, k)) < rate, 1 + rng.standard_exponential((n, k)), 0)


def test_the_shuffle_keeps_each_latent_and_how_many_fire_together() -> None:
    rng = generator(0, "test", "shuffle")
    active = independent(6000, 8, 0.1, rng)
    cloud = sp.csr_matrix(active[active.any(axis=1)])
    drawn = [shuffled(cloud, rng) for _ in range(10)]
    for one in drawn:
        assert np.diff(one.indptr).min() == 1
        for latent in range(8):
            before, after = cloud[:, [latent]].data, one[:, [latent]].data
            assert sorted(before) == sorted(after)
    assert np.mean([one.shape[0] for one in drawn]) == pytest.approx(cloud.shape[0], rel=0.02)


def test_the_shuffle_kills_which_latents_fire_together() -> None:
    rng = generator(1, "test", "shuffle")
    on = rng.random(2000) < 0.5
    active = np.column_stack([on * 1.0, on * 2.0, ~on * 3.0])
    drawn = shuffled(sp.csr_matrix(active), rng).toarray() > 0
    together = (drawn[:, 0] & drawn[:, 1]).sum() / drawn[:, 0].sum()
    assert (active[:, 1] > 0)[active[:, 0] > 0].all()
    assert together < 0.8


def test_latents_that_never_meet_are_as_the_shuffle_would_have_them() -> None:
    active = sp.csr_matrix(np.eye(4)[np.arange(400) % 4])
    drawn = shuffled(active, generator(0, "test"))
    assert (np.diff(drawn.indptr) == 1).mean() > 0.95
    assert drawn.shape[0] == pytest.approx(400, rel=0.03)


def test_types_are_shuffled_within_each_latent() -> None:
    means = np.arange(12.0).reshape(4, 3)
    drawn = shuffled_types(means, generator(0, "test"))
    assert np.sort(drawn, axis=0).tolist() == means.tolist()
    assert drawn.tolist() != means.tolist()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(2, 40), r=st.integers(1, 12))
def test_the_gaussian_has_the_same_mean_and_covariance(seed: int, n: int, r: int) -> None:
    rng = generator(seed, "test")
    points = rng.standard_normal((n, r)) ** 3 + 5
    drawn = matched_gaussian(principal_of(points), n, rng)
    assert drawn.shape == points.shape
    assert drawn.mean(axis=0) == pytest.approx(points.mean(axis=0), rel=1e-6)
    scale = np.abs(np.cov(points.T, bias=True)).max()
    assert np.cov(drawn.T, bias=True) == pytest.approx(
        np.cov(points.T, bias=True), abs=1e-6 * scale
    )


def test_the_gaussian_leans_to_no_side() -> None:
    rng = generator(0, "test", "sides")
    found = principal_of(rng.standard_normal((12, 3)))
    first = [matched_gaussian(found, 12, rng)[0] @ found.axes[0] for _ in range(200)]
    assert 70 < int((np.array(first) > found.mean @ found.axes[0]).sum()) < 130


def p_values(null: str, n_sets: int) -> dict[str, Float64Array]:
    """p of every measure on data that has nothing but what the null keeps."""
    found = []
    for number in range(n_sets):
        rng = generator(number, "test", "calibration", null)
        if null == "shuffle":
            active = independent(500, 6, 0.12, rng)
            decoder = rng.standard_normal((6, 6)) + 0.4
        else:
            # Far from the origin all latents fire, and the cloud is a Gaussian one.
            active = 40 + rng.standard_normal((200, 5)) * [4, 3, 3, 2, 1]
            decoder = np.linalg.qr(rng.standard_normal((5, 5)))[0]
        cloud = cloud_of(active, decoder)
        ids = rng.integers(0, 9, cloud.n_points)
        found.append(measure_cloud(cloud, ids, seed=number, effort=LITTLE))
    names = [measure.name for measure in MEASURES if measure.evidence and null in measure.nulls]
    return {name: np.array([one[name].nulls[null].p for one in found]) for name in names}


CONTINUOUS = {"separability", "separability_corrected", "engels_score", "intrinsic_dimension"}


@pytest.mark.parametrize("null", ["shuffle", "spectrum"])
def test_p_values_are_uniform_on_data_that_has_nothing(null: str) -> None:
    n_sets = 24
    for name, p in p_values(null, n_sets).items():
        p = p[~np.isnan(p)]
        for level in (0.1, 0.2, 0.5):
            below = int((p <= level + 1e-9).sum())
            # Statistics with ties, such as no loop at all, are on the safe side.
            assert below <= binom.ppf(0.9999, len(p), level), (name, level, below, len(p))
            if name in CONTINUOUS:
                assert below >= binom.ppf(0.0001, len(p), level), (name, level, below)


def test_intervals_are_as_wide_as_the_scatter_of_fresh_samples() -> None:
    effort = Effort(**{**vars(LITTLE), "rounds": 1, "resamples": 12})
    names = ("separability_corrected", "mixture", "intrinsic_dimension", "participation_ratio")
    found: list[dict[str, Measured]] = []
    for number in range(20):
        rng = generator(number, "test", "coverage")
        turn = 2 * np.pi * rng.random(600)
        peaks = 2 * np.pi * np.arange(6) / 6
        active = np.maximum(np.cos(turn[:, None] - peaks), 0) * np.exp(
            0.1 * rng.standard_normal((600, 6))
        )
        decoder = np.column_stack([np.cos(peaks), np.sin(peaks), np.ones(6), np.eye(6)[:, 0]])
        cloud = cloud_of(active, decoder)
        ids = np.minimum(turn * 12 / (2 * np.pi), 11).astype(int)
        found.append(dict(measure_cloud(cloud, ids, seed=number, effort=effort)))
    for name in (*names, "angular_regularity", "token_entropy"):
        values = np.array([one[name].value for one in found])
        low, high = (
            np.array([getattr(one[name], end) for one in found]) for end in ("low", "high")
        )
        covered = ((low <= values.mean()) & (values.mean() <= high)).mean()
        assert covered >= 0.8, (name, covered)
        assert 0.5 < (high - low).mean() / (2 * 2.2 * values.std(ddof=1)) < 1.8, name


def test_an_interval_of_the_dimension_counts_only_sets_that_the_points_fill() -> None:
    rng = generator(0, "test", "sets")
    cloud = cloud_of(rng.random((2 * LITTLE.neighbours - 1, 4)), np.eye(4))
    ids = np.zeros(cloud.n_points, dtype=int)
    one, four = (
        measure_cloud(cloud, ids, effort=replace(LITTLE, parts=parts))["intrinsic_dimension"]
        for parts in (1, 4)
    )
    assert (one.value, one.low, one.high) == (four.value, four.low, four.high)


def test_an_interval_stays_within_bounds_and_takes_no_level_from_samples() -> None:
    samples = np.array([9.0, 10.0, 11.0, np.nan])
    low, high = interval(0.9, samples, scale=0.1, low=0.0, high=1.0)
    assert high == 1.0
    assert low == pytest.approx(0.9 - 0.430, abs=0.001)
    assert np.isnan(interval(0.9, samples[:1], scale=1, low=None, high=None)[0])
    assert np.isnan(interval(np.nan, samples, scale=1, low=None, high=None)[0])
    assert scale_to_all(50, 100, 100) == pytest.approx(1)


def test_a_null_counts_ties_against_the_evidence_and_leaves_nan_out() -> None:
    draws = np.array([1.0, 2.0, 3.0, np.nan])
    assert null_of(3.0, draws, "high").p == pytest.approx(2 / 4)
    assert null_of(1.5, draws, "low").p == pytest.approx(2 / 4)
    assert null_of(9.0, draws, "high").p == pytest.approx(1 / 4)
    found = null_of(9.0, draws, None)
    assert np.isnan(found.p)
    assert found.median == 2
    assert np.isnan(null_of(np.nan, draws, "high").p)
    assert np.isnan(null_of(1.0, np.full(3, np.nan), "high").median)


def test_holm_and_benjamini_hochberg_on_a_worked_example() -> None:
    p = np.array([0.01, np.nan, 0.04, 0.03, 0.005])
    assert corrected(p) == pytest.approx([0.03, np.nan, 0.06, 0.06, 0.02], nan_ok=True)
    assert corrected(p, "bh") == pytest.approx([0.02, np.nan, 0.04, 0.04, 0.02], nan_ok=True)
    assert corrected(np.array([])).tolist() == []
    with pytest.raises(InputError, match="holm and bh"):
        corrected(p, "none")  # type: ignore[arg-type]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), m=st.integers(1, 30), rounds=st.integers(1, 30))
def test_the_largest_statistic_is_the_slow_rule(seed: int, m: int, rounds: int) -> None:
    rng = generator(seed, "test")
    every = rng.standard_normal((m, rounds + 1))
    scaled = (every - every.mean(1, keepdims=True)) / every.std(1, keepdims=True)
    order = np.argsort(-scaled[:, 0])
    slow, floor = np.empty(m), 0.0
    for place, cluster in enumerate(order):
        largest = [
            max(scaled[other, draw] for other in order[place:]) for draw in range(1, rounds + 1)
        ]
        reached = sum(one >= scaled[cluster, 0] - 1e-12 for one in largest)
        floor = max(floor, (1 + reached) / (1 + rounds))
        slow[cluster] = floor
    assert max_statistic(every[:, 0], every[:, 1:]) == pytest.approx(slow)
    assert max_statistic(-every[:, 0], -every[:, 1:], evidence="low") == pytest.approx(slow)


def test_the_largest_statistic_finds_with_few_rounds_what_holm_cannot() -> None:
    rng = generator(3, "test", "family")
    false = 0
    for _ in range(40):
        every = rng.standard_normal((300, 20))
        false += int(max_statistic(every[:, 0], every[:, 1:]).min() <= 0.05)
    assert false <= binom.ppf(0.999, 40, 0.05)
    every[:3, 0] = 50
    p = max_statistic(every[:, 0], every[:, 1:])
    assert p[:3].max() == pytest.approx(0.05)
    assert p[3:].min() > 0.05
    each = np.array([null_of(row[0], row[1:], "high").p for row in every])
    assert corrected(each).min() == 1


def test_clusters_without_statistic_do_not_spoil_the_family() -> None:
    draws = np.array([[0.0, 1.0], [np.nan, 1.0], [5.0, 5.0]])
    found = max_statistic(np.array([9.0, 9.0, 5.0]), draws)
    assert found == pytest.approx([1 / 3, np.nan, 1.0], nan_ok=True)
    with pytest.raises(InputError):
        max_statistic(np.array([1.0]), np.empty((1, 0)))


def test_tunings_of_words_without_order_survive_both_nulls_of_s_and_the_engels_score() -> None:
    """So that surviving both is no evidence, as docs/measures.md says of them."""
    rng = np.random.default_rng(0)
    tuning = (rng.random((20, 8)) < 0.3) * rng.uniform(0.5, 1.5, (20, 8))
    tuning = tuning[tuning.any(axis=1)]
    words = np.repeat(np.arange(len(tuning)), 40)
    level = tuning[words] * rng.uniform(0.7, 1.3, (len(words), 8))
    basis, upper = np.linalg.qr(rng.standard_normal((8, 32)).T)
    cloud = Cloud(
        np.arange(8),
        np.arange(len(words), dtype=np.uint32),
        sp.csr_matrix(level.astype(np.float32)),
        np.ascontiguousarray(upper.T),
        basis.T,
    )
    found = measure_cloud(cloud, words, core_types=np.arange(len(tuning)), seed=0, effort=LITTLE)
    for name in ("separability", "separability_corrected", "engels_score"):
        assert {null.p for null in found[name].nulls.values()} == {0.1}
